/**
 * JupyterLab's file browser and launcher: "Open with SAM" on an image or a folder, and a tile for a new notebook.
 *
 * JupyterLab loads an extension as a module federation container: an object with `init` and `get`. This one is written by
 * hand, because it needs three modules of JupyterLab and none of its own; a build would be a hundred times as large.
 */
(() => {
  const IMAGE = /\.(png|jpe?g|jfif|webp|gif|bmp|tiff?|heic|jp2|npy)$/i;
  const ICON =
    '<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 24 24"><g class="jp-icon3" fill="none" ' +
    'stroke="#616161" stroke-width="2"><path d="M3 8V3h5M16 3h5v5M21 16v5h-5M8 21H3v-5"/>' +
    '<path class="jp-icon3" d="M7 13c0-4 3-6 6-6s4 3 4 5-2 5-5 5-5-1-5-4z"/></g></svg>';

  let shared;

  /** A module that JupyterLab shares with extensions, in the newest version there is. */
  async function load(name) {
    const versions = shared[name];
    const newest = Object.keys(versions).sort((a, b) => a.localeCompare(b, undefined, { numeric: true })).pop();
    return (await versions[newest].get())();
  }

  /** A string in Python's notation: JSON's is part of it. */
  const quoted = text => JSON.stringify(text);

  /** The cell for an item of the file browser, in a notebook next to it. */
  function cellFor(item) {
    const [verb, name] = item.type === "directory" ? ["Gallery", "g"] : ["SamWidget", "w"];
    return `import sam_widget as sw\n\n${name} = sw.${verb}(${quoted(item.name)})\n${name}`;
  }

  const QUICKSTART = 'import sam_widget as sw\n\nw = sw.SamWidget(sw.sample("cat"))  # or a path, a URL, an array\nw';

  async function activate(app, ui, files, launcher) {
    const { commands, contextMenu } = app;
    const icon = new ui.LabIcon({ name: "sam-widget:open", svgstr: ICON });

    /** Run a cell in a new notebook in a folder. */
    async function run(folder, source) {
      const panel = await commands.execute("notebook:create-new", { path: folder, cwd: folder, kernelName: "python3" });
      await panel.context.ready;
      await panel.sessionContext.ready;
      panel.content.activeCell.model.sharedModel.setSource(source);
      app.shell.activateById(panel.id);
      await commands.execute("notebook:run-cell");
    }

    /** The one selected item of the file browser, if it can be opened. */
    function selected() {
      const items = [...(files?.tracker.currentWidget?.selectedItems() ?? [])];
      return items.length === 1 && (items[0].type === "directory" || IMAGE.test(items[0].name)) ? items[0] : undefined;
    }

    commands.addCommand("sam-widget:open", {
      label: "Open with SAM",
      caption: "Segment this image, or the images of this folder, in a new notebook",
      icon,
      isVisible: () => selected() !== undefined,
      execute: async () => {
        const item = selected();
        if (item) await run(item.path.split("/").slice(0, -1).join("/"), cellFor(item));
      },
    });
    contextMenu.addItem({ command: "sam-widget:open", selector: ".jp-DirListing-item[data-isdir]", rank: 1.5 });

    commands.addCommand("sam-widget:new", {
      label: "Segment Anything",
      caption: "A notebook with sam_widget",
      icon,
      execute: async args => run(args.cwd ?? files?.tracker.currentWidget?.model.path ?? "", QUICKSTART),
    });
    launcher?.add({ command: "sam-widget:new", category: "Notebook", rank: 10 });
  }

  window._JUPYTERLAB = window._JUPYTERLAB ?? {};
  window._JUPYTERLAB["sam-widget"] = {
    init(scope) {
      shared = scope;
    },
    async get() {
      let plugins = [];
      try {
        const [ui, { IFileBrowserFactory }, { ILauncher }] = await Promise.all(
          ["@jupyterlab/ui-components", "@jupyterlab/filebrowser", "@jupyterlab/launcher"].map(load),
        );
        plugins = [
          {
            id: "sam-widget:open",
            description: "Opens images and folders of images in sam_widget.",
            autoStart: true,
            optional: [IFileBrowserFactory, ILauncher],
            activate: (app, files, launcher) => activate(app, ui, files, launcher),
          },
        ];
      } catch (error) {
        // An application without a file browser or launcher, or another JupyterLab: it must start all the same.
        console.warn("sam_widget adds nothing to the file browser:", error);
      }
      return () => ({ __esModule: true, default: plugins });
    },
  };
})();
