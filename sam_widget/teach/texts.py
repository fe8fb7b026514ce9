"""The texts of all panels, in English and in Traditional Chinese, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, get_args

from sam_widget.errors import SamWidgetError
from sam_widget.teach.texts_page import PAGE_TEXTS
from sam_widget.teach.texts_training import TRAINING_TEXTS

Lang = Literal["en", "zh-TW"]
# Returns the text of a key, filled in.
Say = Callable[..., str]

# key: English, Traditional Chinese as written in Taiwan.
TEXTS: dict[str, tuple[str, str]] = {
    "guess.button": ("This is my guess", "我猜這個"),
    "guess.kept": ("Kept: {guess}. Now do it, then look.", "記下來了：{guess}。接著動手做，再看結果。"),
    "guess.not_yet": ("Guess before you continue.", "先猜，再往下做。"),
    "guess.none": ("none", "沒有"),
    "guess.missing": (
        "Question {number}: it is {answer}. You did not guess.",
        "第 {number} 題：結果是 {answer}。你沒有猜。",
    ),
    "guess.row": (
        "Question {number}: you guessed {guess}; it is {answer}.",
        "第 {number} 題：你猜 {guess}，結果是 {answer}。",
    ),
    "guess.question": ("Question", "題目"),
    "guess.yours": ("Your guess", "你的猜測"),
    "guess.answer": ("What came out", "實際結果"),
    "expect.paper": ("The photo with the click: draw around what you expect", "照片與點擊位置：把你預期的範圍圈出來"),
    "expect.mask": ("Mask {number} of the model", "模型的遮罩 {number}"),
    "expect.show": ("Show the three masks", "看三個遮罩"),
    "expect.clear": ("Clear", "清除"),
    "expect.next": ("Next click", "下一個點"),
    "expect.draw": (
        "Drag around what this click should mean, or click from corner to corner.",
        "這一點該選到什麼？按住拖曳把它圈起來，或一個角一個角點過去。",
    ),
    "expect.first": ("Draw first: predicting is what makes it stick.", "請先畫：先預測，才記得住。"),
    "expect.row": (
        "Mask {number}: score {score}, IoU with yours {iou}",
        "遮罩 {number}：分數 {score}，與你的 IoU {iou}",
    ),
    "expect.result": (
        "Mask {chosen} has the highest score; mask {nearest} is nearest to yours.",
        "分數最高的是遮罩 {chosen}，最接近你畫的是遮罩 {nearest}。",
    ),
    "land.score": ("Best score", "最高分數"),
    "land.level": ("Which mask", "選中哪一個"),
    "land.agreement": ("Agreement", "一致程度"),
    "land.start": ("Click everywhere", "每個地方都點一次"),
    "land.map": ("The click landscape", "點擊地形圖"),
    "land.mask": ("The best mask of the click under the pointer", "游標所在那一點的最佳遮罩"),
    "land.ready": ("{count} clicks, one for each point of the grid.", "共 {count} 個點，布滿整張格點。"),
    "land.so_far": ("{done} of {count} clicks", "已完成 {done} / {count} 個點"),
    "land.done": (
        "{count} clicks in {seconds} s. Move the pointer over the photo.",
        "{count} 個點，花了 {seconds} 秒。把游標移到照片上看看。",
    ),
    "land.here": (
        "Click at ({x}, {y}): mask {number} is chosen, score {score}; the three masks agree by {agreement}.",
        "點在 ({x}, {y})：選中遮罩 {number}，分數 {score}；三個遮罩的一致程度 {agreement}。",
    ),
    "land.legend_score": (
        "The IoU that the model predicts for its best mask: dark 0, bright 1.",
        "模型對自己最佳遮罩預測的 IoU：暗為 0，亮為 1。",
    ),
    "land.legend_level": ("Which of the three masks has the highest score.", "三個遮罩中，分數最高的是哪一個。"),
    "land.legend_agreement": (
        "Mean IoU of the three masks with each other: dark is ambiguous, bright is not.",
        "三個遮罩兩兩之間的平均 IoU：暗表示有歧義，亮表示沒有。",
    ),
    "check.object": ("object {number}", "物件 {number}"),
    "check.target": ("Segment", "目標"),
    "check.wanted": ("The object that is meant", "要分割的物件"),
    "check.chart": (
        "Chart: what the model predicts, to the right, and the true IoU, upwards",
        "圖表：橫軸是模型的預測，縱軸是真正的 IoU",
    ),
    "check.ready": (
        "Click on the object in the view. Blue: score. Orange: stability. On the diagonal, it is the truth.",
        "在中間的畫面點這個物件。藍：分數。橘：穩定度。落在對角線上就是說對了。",
    ),
    "check.clear": ("Start again", "重新開始"),
    "check.row": (
        "Prompts: {clicks}. Score {score} (blue), stability {stability} (orange), true IoU {iou}.",
        "提示數：{clicks}。分數 {score}（藍）、穩定度 {stability}（橘）、真正的 IoU {iou}。",
    ),
    "check.mean": (
        "Over {count} answers, the score is off by {off} on average.",
        "{count} 次回答平均下來，分數偏差 {off}。",
    ),
    "ladder.click": ("One click", "一個點"),
    "ladder.clicks": ("Two clicks", "兩個點"),
    "ladder.more": ("Three clicks", "三個點"),
    "ladder.box": ("A box", "一個框"),
    "ladder.mask": ("The click, and its mask as a prompt", "同一個點，再以它的遮罩為提示"),
    "ladder.row": (
        "{kind}: agreement {agreement}; chosen mask: score {score}, true IoU {iou}",
        "{kind}：一致程度 {agreement}；選中的遮罩：分數 {score}，真正的 IoU {iou}",
    ),
    "find.words": ("Words", "要找的詞"),
    "find.like": ("More like this", "找類似的"),
    "find.not_like": ("Not this", "不要這個"),
    "find.forget": ("Forget the examples", "清除範例"),
    "find.photo": (
        "The photo: found masks in colour, others outlined. Click to select one.",
        "照片：找到的上色，其餘只有輪廓。點一下選取。",
    ),
    "find.chart": ("The highest scores, and the threshold", "最高的分數，與門檻"),
    "find.choose": ("Click on a mask, found or faint, to select it.", "點一個遮罩來選取，上色的或只有輪廓的都可以。"),
    "find.here": ("Selected: score {score}.", "已選取：分數 {score}。"),
    "find.examples": ("Examples: {like}; counter-examples: {not_like}.", "範例：{like} 個；反例：{not_like} 個。"),
    "find.found": (
        "Found: {count}. Masks with any score at all: {all}.",
        "找到 {count} 個；有分數的遮罩共 {all} 個。",
    ),
    "find.nothing": (
        "Nothing found: the best score is {best}, the threshold {threshold}.",
        "什麼都沒找到：最高分 {best}，門檻 {threshold}。",
    ),
    "find.none": ("Nothing found: no mask could be it.", "什麼都沒找到：沒有一個遮罩可能是它。"),
    "find.unknown": ("“{word}” is not in the vocabulary.", "詞彙裡沒有「{word}」。"),
    "find.near": (" Near: {near}.", "相近的詞：{near}。"),
    "named.word": ("Word", "詞"),
    "named.photo": (
        "The photo, and the mask to name. Click to choose another.",
        "照片，與要命名的遮罩。點一下換一個。",
    ),
    "named.crop": ("The crop around the mask", "遮罩周圍的裁切"),
    "named.under": ("What counts under the mask", "遮罩底下，才算數的部分"),
    "named.chart_crop": ("Names of the crop", "裁切得到的名稱"),
    "named.chart_under": ("Names under the mask", "遮罩底下得到的名稱"),
    "named.chart_agreed": ("Names that both crops agree on", "兩個裁切都同意的名稱"),
    "named.says_crop": ("The usual way: everything in the crop.", "一般做法：裁切裡的一切。"),
    "named.says_under": ("Only the features under the mask.", "只看遮罩底下的特徵。"),
    "named.says_agreed": (
        "The finder: the lowest of two crops, and both together.",
        "實際的做法：兩個裁切與兩者合併，取最低的。",
    ),
    "named.of": ("Probability of “{word}”: {value}.", "是「{word}」的機率：{value}。"),
    "named.click": ("Click on the photo.", "點照片。"),
    "named.no_mask": ("There is no mask here.", "這裡沒有遮罩。"),
    "named.here": (
        "This mask covers {share} of the photo. Click on another.",
        "這個遮罩占照片 {share}。點別處換一個。",
    ),
    "race.clicks": ("Clicks", "點擊數"),
    "race.mask": ("Mask of {name}", "{name} 的遮罩"),
    "race.difference": ("Where the masks differ", "遮罩不一致的地方"),
    "race.says": (
        "In colour: pixels in some of the masks; the brighter, the more. Bright photo: in all. Dark: in none.",
        "上色：只屬於部分遮罩的像素，越亮越多。照片原色：全部都有。變暗：全部都沒有。",
    ),
    "race.chart": ("True IoU after each click; colours as in the masks", "每次點擊後真正的 IoU；顏色與遮罩相同"),
    "race.row": (
        "{name}: true IoU {iou}, score {score}, {ms} ms",
        "{name}：真正的 IoU {iou}，分數 {score}，{ms} 毫秒",
    ),
    "race.no_score": ("{name}: true IoU {iou}, no score, {ms} ms", "{name}：真正的 IoU {iou}，沒有分數，{ms} 毫秒"),
    "traced.ready": (
        "Click on the photo: all panels that follow it are drawn again.",
        "點照片：跟著它的面板都會重畫。",
    ),
    "traced.mask": ("Add the mask to the prompt", "把遮罩加進提示"),
    "traced.once": ("Image encoder {embed} ms, once. ", "影像編碼器 {embed} 毫秒，只要一次。"),
    "traced.done": (
        "This answer {predict} ms; its trace and the panels {drawn} ms.",
        "這次回答 {predict} 毫秒；追蹤與重畫面板 {drawn} 毫秒。",
    ),
    "embed.photo": ("The photo, and one patch", "照片，與其中一塊"),
    "embed.colours": ("Its embedding: similar features, similar colours", "它的嵌入：特徵相近，顏色就相近"),
    "embed.similar": (
        "Cosine similarity to the patch, after subtracting the mean: yellow is alike",
        "減去平均後，與這一塊的餘弦相似度：越黃越像",
    ),
    "embed.hover": ("Move the pointer over the pictures.", "把游標移到圖上。"),
    "embed.here": (
        "Patch ({row}, {column}): {channels} numbers. Of {count} patches, {alike} others have a similarity above 0.5.",
        "第 ({row}, {column}) 塊：{channels} 個數字。全部 {count} 塊裡，另有 {alike} 塊的相似度超過 0.5。",
    ),
    "tokens.strips": (
        "The tokens of the prompt, as numbers: blue is negative, red positive",
        "提示的 token，畫成數字：藍為負，紅為正",
    ),
    "tokens.list": ("{count} tokens of {size} numbers: {names}", "{count} 個 token，各 {size} 個數字：{names}"),
    "tokens.positions": (
        "How similar the position of each patch is to that of the click. Click to move it.",
        "每一塊的位置編碼與點擊處有多像。點一下可以移動。",
    ),
    "tokens.dense": ("The dense prompt: how much it differs from patch to patch", "密集提示：各塊之間差多少"),
    "tokens.without_mask": (
        "Dense prompt: no mask, so the same learned vector is added to every patch.",
        "密集提示：沒有遮罩，所以每一塊都加上同一個學來的向量。",
    ),
    "tokens.tiny": (
        "Dense prompt, without a mask. SAM adds the same vector to every patch; this model also marks what is like it.",
        "密集提示，沒有遮罩。SAM 會在每一塊加上同一個學來的向量；這個模型還會標出與點擊處相像的塊。",
    ),
    "tokens.with_mask": (
        "Dense prompt: the mask, made smaller by convolutions, is added to the embedding.",
        "密集提示：遮罩經過卷積縮小，再加到嵌入上。",
    ),
    "token.iou": ("IoU token", "IoU 的 token"),
    "token.mask": ("mask token {number}", "遮罩 token {number}"),
    "token.own": ("output token {number}", "輸出 token {number}"),
    "token.foreground": ("point {number}, foreground", "第 {number} 點，前景"),
    "token.background": ("point {number}, background", "第 {number} 點，背景"),
    "token.corner0": ("box, top left", "框的左上角"),
    "token.corner1": ("box, bottom right", "框的右下角"),
    "token.padding": ("padding", "填補用的 token"),
    "attend.layer": ("Layer {number}", "第 {number} 層"),
    "attend.final": ("Final", "最後一次"),
    "attend.mean": ("All heads", "所有注意力頭"),
    "attend.head": ("Head {number}", "注意力頭 {number}"),
    "attend.token": ("Token", "選 token"),
    "attend.reads": ("What the token reads from each patch", "token 從每一塊讀多少"),
    "attend.writes": ("What each patch reads from the token", "每一塊從 token 讀多少"),
    "attend.among": ("Tokens to tokens: each row sums to 1", "token 對 token：每一列加起來是 1"),
    "attend.reads_row": (
        "The token reads from the image. Most from one patch: {highest}; if it read evenly, {flat}.",
        "token 讀影像。單一塊最多 {highest}；如果平均地讀，每塊是 {flat}。",
    ),
    "attend.writes_row": (
        "The image reads from the token: {mean} on average, of all tokens.",
        "影像讀 token：在所有 token 之中，平均占 {mean}。",
    ),
    "attend.no_writes": (
        "The final attention goes one way only: tokens read from the image.",
        "最後一次注意力只有一個方向：token 讀影像。",
    ),
    "maker.threshold": ("Threshold", "門檻"),
    "maker.upscaled": ("Upscaled features, as colours", "放大後的特徵，以顏色表示"),
    "maker.weights": ("The mask's classifier of pixels", "這個遮罩的像素分類器"),
    "maker.logits": ("Logits: red is object", "Logits：紅色是物件"),
    "maker.mask": ("The mask, at the photo's size", "遮罩，放大到照片大小"),
    "maker.upscaled_row": (
        "Each pixel has {channels} numbers: {rows} x {columns} pixels, four times finer than the embedding.",
        "每個像素 {channels} 個數字：{rows} x {columns} 個像素，比嵌入細四倍。",
    ),
    "maker.weights_row": (
        "A hypernetwork makes {size} weights from the token of mask {number}.",
        "超網路從遮罩 {number} 的 token 算出 {size} 個權重。",
    ),
    "maker.logits_row": (
        "Their product, from {low} (blue) to {high} (red).",
        "兩者相乘：從 {low}（藍）到 {high}（紅）。",
    ),
    "maker.mask_row": (
        "Logits above the threshold: {share} of the photo. The IoU token predicts a score of {score}.",
        "超過門檻的部分：占照片 {share}。IoU token 預測的分數是 {score}。",
    ),
    **TRAINING_TEXTS,
    **PAGE_TEXTS,
}


def check_lang(lang: str) -> None:
    """Raise if texts are not available in a language.

    Raises:
        SamWidgetError: It is neither "en" nor "zh-TW".
    """
    if lang not in get_args(Lang):
        raise SamWidgetError(f"lang={lang!r}; give 'en' or 'zh-TW'")


def texts(lang: Lang) -> Say:
    """Return a function that looks up texts in a language: `say("guess.row", number=1, guess="A", answer="B")`.

    Raises:
        SamWidgetError: The language is neither "en" nor "zh-TW".
    """
    check_lang(lang)
    column = get_args(Lang).index(lang)

    def say(key: str, **values: object) -> str:
        return TEXTS[key][column].format(**values)

    return say
