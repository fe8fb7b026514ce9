from .attention_explorer import AttentionExplorer
from .catalogue import Lesson, LessonTable, lessons
from .correction_rounds import CorrectionRound, CorrectionRounds
from .embedding_explorer import EmbeddingExplorer
from .expected_mask import Compared, ExpectedMask
from .guesses import Guesses, Question
from .hidden_patches import HiddenPatches
from .ladder import PromptLadder, Rung
from .landscape import ClickLandscape
from .loss_terms import LossTerms
from .mae_training import MaeTraining
from .mask_maker import MaskMaker
from .mask_names import MaskNames, Naming, name_mask
from .model_race import Course, ModelRace
from .panel import Panel
from .picture import Picture
from .prompt_tokens import PromptTokens
from .prompt_training import PromptTraining
from .score_check import Checked, ScoreCheck
from .subject import Scene, scene
from .texts import Lang
from .traced import TracedImage
from .training_race import RaceResult, TrainingRace
from .word_finder import WordFinder

__all__ = [
    "AttentionExplorer",
    "Checked",
    "ClickLandscape",
    "Compared",
    "CorrectionRound",
    "CorrectionRounds",
    "Course",
    "EmbeddingExplorer",
    "ExpectedMask",
    "Guesses",
    "HiddenPatches",
    "Lang",
    "Lesson",
    "LessonTable",
    "LossTerms",
    "MaeTraining",
    "MaskMaker",
    "MaskNames",
    "ModelRace",
    "Naming",
    "Panel",
    "Picture",
    "PromptLadder",
    "PromptTokens",
    "PromptTraining",
    "Question",
    "RaceResult",
    "Rung",
    "Scene",
    "ScoreCheck",
    "TracedImage",
    "TrainingRace",
    "WordFinder",
    "lessons",
    "name_mask",
    "scene",
]
