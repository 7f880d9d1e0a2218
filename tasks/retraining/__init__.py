"""How a model is trained anew: first whether the fault lies upstream, then a release like any other."""
