"""The texts of lessons as pages."""

from __future__ import annotations

# key: English, Traditional Chinese as written in Taiwan.
PAGE_TEXTS: dict[str, tuple[str, str]] = {
    "page.about": (
        (
            "Lesson {number} as a page: the panels compute in your browser, and nothing has to be installed. Code is "
            "there to read; what it printed and drew is from its last run."
        ),
        (
            "這是第 {number} 課的網頁版：面板直接在瀏覽器裡計算，什麼都不用安裝。"
            "程式碼只供閱讀；印出的文字和畫出的圖，都來自上一次執行。"
        ),
    ),
    "page.code": ("Code", "程式碼"),
    "page.recorded": (
        (
            "This is a picture of the last run, not a panel. It cannot be operated here: training a model needs "
            "Python. {call} copies the lesson, for Jupyter, where you can train it yourself."
        ),
        (
            "這是上一次執行時的圖，不是面板，在這裡不能操作：訓練模型需要 Python。"
            "用 {call} 可以複製這一課，在 Jupyter 裡自己訓練。"
        ),
    ),
    "page.stored": ("The picture that this code showed", "這段程式碼顯示的圖"),
    "page.opening": ("Opening…", "開啟中……"),
    "page.licences": ("Licences and model cards", "授權與模型卡"),
}
