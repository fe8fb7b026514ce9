"""The texts of lessons as pages."""

from __future__ import annotations

# key: English, Traditional Chinese as written in Taiwan.
PAGE_TEXTS: dict[str, tuple[str, str]] = {
    "page.about": (
        "Lesson {number} without a kernel: the panels compute in your browser. Code is shown with its last output.",
        "這是不需要 kernel 的第 {number} 課：面板直接在瀏覽器裡計算。程式碼只供閱讀，附上一次執行的結果。",
    ),
    "page.code": ("Code", "程式碼"),
    "page.recorded": (
        "A picture of the last run: this panel trains a model, which needs a kernel. In Jupyter: {call}",
        "這是上一次執行的畫面：這個面板要訓練模型，需要 kernel。在 Jupyter 裡：{call}",
    ),
    "page.stored": ("The picture that this code showed", "這段程式碼顯示的圖"),
    "page.opening": ("Opening…", "開啟中……"),
    "page.licences": ("Licences", "授權"),
}
