"""What a kind's types cannot say: the rules under which an object makes sense, one file per kind.

Each function yields every `Problem` of one object. Source of the rules: what Istio's admission webhook refuses.
"""
