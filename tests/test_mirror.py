"""Tests mirror the rooms: each module has a test of its name, or a reason not to."""

from __future__ import annotations

from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent
PACKAGE = TESTS.parent / "sam_widget"

# Data, drawings of scenes (tested as a whole), and modules that only pass names on.
LEFT_OUT = {"photos", "weights", "static", "scenes"}
# Modules that are tested through what uses them: by which file.
THROUGH = {
    "automatic/finding/published/detectors.py": "automatic/finding/published/test_owlv2.py",
    "automatic/finding/published/nested.py": "automatic/finding/published/test_every.py",
    "automatic/options.py": "automatic/test_automatic.py",
    "automatic/proposals.py": "automatic/test_automatic.py",
    "automatic/finding/finder.py": "session/test_found.py",
    "automatic/finding/regions.py": "automatic/finding/test_embedded.py",
    "automatic/finding/loading.py": "session/test_searching.py",
    "cli/finding.py": "cli/test_cli.py",
    "cli/page.py": "cli/test_cli.py",
    "widget/gallery_page.py": "page/test_many.py",
    "cli/terminal.py": "cli/test_cli.py",
    "engine/checking.py": "engine/test_engine.py",
    "engine/claiming.py": "engine/test_engine.py",
    "engine/filling.py": "engine/test_engine.py",
    "engine/learner.py": "engine/test_trainer.py",
    "engine/simulated.py": "engine/test_engine.py",
    "export/brush.py": "export/test_label_studio.py",
    "export/files.py": "export/test_other_hands.py",
    "export/reading.py": "export/test_other_hands.py",
    "export/svg_cost.py": "export/test_other_hands.py",
    "export/yolo_read.py": "export/test_yolo.py",
    "image/npy.py": "export/test_numpy_files.py",
    "learn/ablate.py": "learn/test_networks.py",
    "learn/checkpoints.py": "learn/test_training.py",
    "learn/curves.py": "learn/test_training.py",
    "learn/data.py": "learn/test_training.py",
    "learn/evaluate/inpainting.py": "learn/test_pretrain.py",
    "learn/evaluate/report.py": "learn/evaluate/test_evaluate.py",
    "learn/frozen_trunk.py": "learn/test_networks.py",
    "learn/generic.py": "engine/test_generic.py",
    "learn/losses.py": "learn/test_training.py",
    "learn/photo_views.py": "learn/test_photo_masks.py",
    "learn/photos.py": "learn/test_pretrain.py",
    "learn/rounds.py": "learn/test_round_plans.py",
    "learn/simulate_clicks.py": "learn/test_training.py",
    "learn/train.py": "learn/test_training.py",
    "learn/train_config.py": "learn/test_training.py",
    "predictor/connection.py": "predictor/test_served.py",
    "model/checkpoint.py": "model/test_layouts.py",
    "model/config.py": "model/test_zoo.py",
    "model/fast/positions.py": "model/fast/test_parts.py",
    "model/fast/twin.py": "model/fast/test_upscaling.py",
    "model/fast/vit.py": "model/fast/test_parts.py",
    "model/hiera.py": "model/test_sam2.py",
    "model/hq_sam.py": "model/test_reference.py",
    "model/image_encoder.py": "model/test_reference.py",
    "model/mae_zoo.py": "model/test_mae.py",
    "model/mask_decoder.py": "model/fast/test_two_way.py",
    "model/mobile_sam.py": "model/test_reference.py",
    "model/names.py": "model/test_zoo.py",
    "model/prompt_encoder.py": "model/test_reference.py",
    "model/sam.py": "model/test_reference.py",
    "model/tiny/decoder.py": "model/tiny/test_tiny.py",
    "predictor/fitting.py": "predictor/test_upsampling.py",
    "predictor/interface.py": "predictor/test_plain.py",
    "serve/asgi.py": "serve/test_app.py",
    "serve/asgi_service.py": "serve/test_prompts.py",
    "serve/cluster.py": "serve/test_many_machines.py",
    "serve/jobs.py": "serve/test_many_machines.py",
    "serve/spread.py": "serve/test_many_machines.py",
    "serve/service.py": "serve/test_app.py",
    "widget/compare_table.py": "widget/test_compare.py",
    "predictor/model_input.py": "predictor/test_predictor.py",
    "predictor/prediction.py": "predictor/test_predictor.py",
    "predictor/tensor_file.py": "predictor/test_embeddings.py",
    "session/candidates.py": "session/test_edits.py",
    "session/decoding.py": "session/test_crops.py",
    "session/everything.py": "session/test_session.py",
    "session/file/decoder.py": "session/file/test_documents.py",
    "session/file/encoder.py": "session/file/test_documents.py",
    "session/file/format.py": "session/file/test_recorder.py",
    "session/file/reader.py": "session/file/test_recorder.py",
    "session/lineage.py": "session/test_to_code.py",
    "session/repeating.py": "session/test_replay.py",
    "model/tiny/namer.py": "automatic/finding/test_embedded.py",
    "session/objects.py": "session/test_edits.py",
    "session/queries.py": "session/test_searching.py",
    "session/remote.py": "widget/test_delegates.py",
    "session/state.py": "session/test_history.py",
    "teach/texts_page.py": "teach/test_texts.py",
    "teach/texts_training.py": "teach/test_texts.py",
    "widget/direct_line.py": "widget/test_direct.py",
    "widget/dispatcher.py": "widget/test_sam_widget.py",
    "widget/downloads.py": "widget/test_interop.py",
    "widget/engine_control.py": "widget/test_engine.py",
    "widget/engine_jobs.py": "widget/test_engine.py",
    "widget/engine_panel.py": "widget/test_engine.py",
    "widget/gallery_opener.py": "widget/test_gallery.py",
    "widget/opening.py": "widget/test_sam_widget.py",
    "widget/prefetch.py": "widget/test_hover.py",
    "widget/publisher.py": "widget/test_lifetime.py",
    "widget/replies.py": "widget/test_sam_widget.py",
    "widget/requests.py": "widget/test_hostile.py",
    "widget/panels.py": "widget/test_protocol.py",
    "widget/stage.py": "widget/test_sam_widget.py",
    "widget/state.py": "widget/test_lifetime.py",
    "widget/static_picture.py": "widget/test_interop.py",
    "widget/throttle.py": "widget/test_publishing.py",
    "widget/typescript.py": "widget/test_protocol.py",
    "widget/verbs.py": "widget/test_protocol.py",
    "rendering.py": "session/test_golden.py",
}


def modules() -> list[str]:
    paths = (path.relative_to(PACKAGE) for path in sorted(PACKAGE.rglob("*.py")))
    return [path.as_posix() for path in paths if not path.name.startswith("__") and not LEFT_OUT & set(path.parts)]


def named_test(module: str) -> Path:
    path = TESTS / module
    return path.with_name(f"test_{path.name}")


@pytest.mark.parametrize("module", modules())
def test_a_module_has_a_test_of_its_name(module: str) -> None:
    if module in THROUGH:
        assert not named_test(module).exists(), "it has a test of its name now: take it from the list"
        assert (TESTS / THROUGH[module]).exists()
    else:
        assert named_test(module).exists(), f"write {named_test(module).relative_to(TESTS.parent)}"


def test_the_list_of_exceptions_names_modules() -> None:
    assert set(THROUGH) <= set(modules())
