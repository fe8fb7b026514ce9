"""The anywidget, its messages, and the worker thread that runs the model.

`verbs.py` derives requests from the marked methods of sessions and widgets, `protocol.py` defines the other messages,
`state.py` converts a session to messages, `dispatcher.py` executes requests, and `replies.py` answers each of them
once. `worker.py` keeps the model out of the thread that handles messages, and `sam_widget.py` joins the parts.
`server_extension.py` and `direct.py` reduce the latency between page and kernel. The view is TypeScript, in `js/`;
`static/` contains its bundle.
"""
