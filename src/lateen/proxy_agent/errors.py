"""What stops an agent before it runs anything.

AgentError    wrong arguments, environment or files; the text names the place and what would be right
"""


class AgentError(Exception):
    """The agent cannot go on; the text is meant for a person."""
