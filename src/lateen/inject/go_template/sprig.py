"""The functions of sprig that templates of pods use; none reads the clock, the environment, files or the network."""

from lateen.inject.go_template.encodings import ENCODINGS
from lateen.inject.go_template.functions import Functions
from lateen.inject.go_template.lists_and_maps import LISTS_AND_MAPS
from lateen.inject.go_template.numbers import NUMBERS
from lateen.inject.go_template.texts import TEXTS

SPRIG: Functions = {**TEXTS, **NUMBERS, **LISTS_AND_MAPS, **ENCODINGS}
