from .attention_explorer import AttentionExplorer
from .catalogue import Lesson, LessonTable, lessons
from .embedding_explorer import EmbeddingExplorer
from .expected_mask import Compared, ExpectedMask
from .guesses import Guesses, Question
from .ladder import PromptLadder, Rung
from .landscape import ClickLandscape
from .mask_maker import MaskMaker
from .mask_names import MaskNames, Naming, name_mask
from .model_race import Course, ModelRace
from .panel import Panel
from .picture import Picture
from .prompt_tokens import PromptTokens
from .score_check import Checked, ScoreCheck
from .subject import Scene, scene
from .texts import Lang
from .traced import TracedImage
from .word_finder import WordFinder

__all__ = [
    "AttentionExplorer",
    "Checked",
    "ClickLandscape",
    "Compared",
    "Course",
    "EmbeddingExplorer",
    "ExpectedMask",
    "Guesses",
    "Lang",
    "Lesson",
    "LessonTable",
    "MaskMaker",
    "MaskNames",
    "ModelRace",
    "Naming",
    "Panel",
    "Picture",
    "PromptLadder",
    "PromptTokens",
    "Question",
    "Rung",
    "Scene",
    "ScoreCheck",
    "TracedImage",
    "WordFinder",
    "lessons",
    "name_mask",
    "scene",
]
