"""Templates of users: texts of Go's template language (`go_template`) that see a pod and make a partial pod.

`rendering.py` is the way in, `data.py` what they see, `functions.py` what they can do besides Go's and sprig's.
"""
