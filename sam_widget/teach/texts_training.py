"""The texts of panels about masked autoencoders and training; see `texts.py`."""

from __future__ import annotations

# key: English, Traditional Chinese as written in Taiwan.
TRAINING_TEXTS: dict[str, tuple[str, str]] = {
    "mae.random": ("Random", "隨機"),
    "mae.block": ("Blocks", "大塊"),
    "mae.grid": ("Grid", "格狀"),
    "mae.hand": ("By hand", "自己畫"),
    "mae.ratio": ("Hidden, %", "遮住 %"),
    "mae.seed": ("Seed", "亂數種子"),
    "mae.sees": ("What the encoder sees: paint to hide or show", "編碼器看到的：用畫的來遮住或露出"),
    "mae.painted": ("Reconstruction", "重建"),
    "mae.between": ("Interpolation, which has learned nothing", "內插，什麼都沒學過"),
    "mae.truth": ("The original", "原圖"),
    "mae.wrong": ("Error of the reconstruction in each patch", "每一塊的重建誤差"),
    "mae.sees_row": (
        "The encoder sees {visible} of {count} patches. Drag here to hide or show patches.",
        "編碼器看到 {count} 塊裡的 {visible} 塊。在這裡拖曳，可以遮住或露出。",
    ),
    "mae.painted_row": ("Reconstruction: error {error}", "重建：誤差 {error}"),
    "mae.between_row": ("Interpolation, without learning: error {error}", "內插，沒有學習：誤差 {error}"),
    "mae.wrong_row": (
        "Error in each hidden patch: dark 0, bright {high} or more; visible ones are grey.",
        "每個被遮住的圖塊的誤差：暗是 0，亮是 {high} 以上；灰色是看得到的。",
    ),
    "mae.nothing": (
        "Nothing is hidden: nothing to reconstruct, and no loss.",
        "什麼都沒遮住：沒有東西要重建，也沒有損失。",
    ),
    "mae.one_left": ("At least one patch must stay visible.", "至少要留一塊看得到。"),
    "mae.note": (
        "{hidden} hidden patches; loss, in these alone: {loss}. In {won}, the model is nearer than interpolation.",
        "遮住 {hidden} 塊。只在被遮住的地方算的損失：{loss}。其中 {won} 塊，模型比內插接近。",
    ),
    "mae.hover": ("Move the pointer over a patch.", "把游標移到一個圖塊上。"),
    "mae.here": (
        "Row {row}, column {column}: error {model}, interpolation {between}.",
        "第 {row} 列第 {column} 行：誤差 {model}，內插 {between}。",
    ),
    "mae.visible": (
        "Row {row}, column {column}: visible, so it is not part of the loss.",
        "第 {row} 列第 {column} 行：看得到，所以不算進損失。",
    ),
    "train.sees": ("What the encoder sees", "編碼器看到的"),
    "train.seconds": ("Seconds", "秒數"),
    "train.start": ("Train", "訓練"),
    "train.stop": ("Stop", "停止"),
    "train.again": ("Start again", "從頭開始"),
    "train.chart": ("Chart: figures of each step, smoothed", "圖表：每一步的數值，經過平滑"),
    "train.ready": ("Not trained yet.", "還沒訓練。"),
    "train.preparing": ("Preparing model and scenes …", "正在準備模型與場景……"),
    "train.scenes": ("Drawing scenes to train on: {done} of {count}", "正在畫訓練用的場景：{done} / {count}"),
    "train.so_far": ("{steps} steps; {left} s left.", "{steps} 步；還剩 {left} 秒。"),
    "train.done": (
        "{steps} steps in {seconds} s. Train again to continue.",
        "{steps} 步，共 {seconds} 秒。再按一次訓練就會接著練。",
    ),
    "train.loss": ("loss", "損失"),
    "train.pixels": ("Target: pixels", "目標：像素"),
    "train.normalised": ("Target: normalised per patch", "目標：每塊各自標準化"),
    "train.stage": ("Stage {number} of the training", "訓練的第 {number} 個階段"),
    "train.after": ("After {steps} steps: error {error}", "{steps} 步之後：誤差 {error}"),
    "runs.everything": ("everything on", "全部都開"),
    "runs.no_focal": ("without focal loss", "拿掉 focal 損失"),
    "runs.no_dice": ("without dice loss", "拿掉 dice 損失"),
    "runs.no_score": ("without the loss of the score", "拿掉分數的損失"),
    "runs.no_minimum": ("mean instead of minimum of three", "三個取平均，不取最小"),
    "runs.no_corrections": ("without corrections", "沒有修正的回合"),
    "runs.mae": ("from MAE", "從 MAE 開始"),
    "runs.scratch": ("from scratch", "從零開始"),
    "runs.chart": ("Chart: IoU in training, of each run", "圖表：每次訓練中的 IoU"),
    "runs.scene": ("Answer of the run: {name}", "這次訓練的回答：{name}"),
    "runs.wanted": (
        "A scene that is never trained on, the click, and the true mask",
        "從未訓練過的場景、點擊處與真正的遮罩",
    ),
    "runs.choose": ("Choose what to train.", "選擇要訓練哪些。"),
    "runs.row": (
        "{name}: one click {one}, three clicks {three}, best of three masks {oracle}",
        "{name}：點一下 {one}，點三下 {three}，三個裡最好的 {oracle}",
    ),
}
