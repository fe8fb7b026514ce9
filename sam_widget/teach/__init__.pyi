from .attention_explorer import AttentionExplorer
from .catalogue import Lesson, LessonTable, lessons
from .embedding_explorer import EmbeddingExplorer
from .expected_mask import Compared, ExpectedMask
from .guesses import Guesses, Question
from .ladder import PromptLadder, Rung
from .landscape import ClickLandscape
from .mask_maker import MaskMaker
from .panel import Panel
from .picture import Picture
from .prompt_tokens import PromptTokens
from .score_check import Checked, ScoreCheck
from .subject import Scene, scene
from .texts import Lang
from .traced import TracedImage

__all__ = [
    "AttentionExplorer",
    "Checked",
    "ClickLandscape",
    "Compared",
    "EmbeddingExplorer",
    "ExpectedMask",
    "Guesses",
    "Lang",
    "Lesson",
    "LessonTable",
    "MaskMaker",
    "Panel",
    "Picture",
    "PromptLadder",
    "PromptTokens",
    "Question",
    "Rung",
    "Scene",
    "ScoreCheck",
    "TracedImage",
    "lessons",
    "scene",
]
