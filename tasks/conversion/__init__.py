"""From a scikit-learn estimator to an ONNX graph: one opset family, converters of our own where skl2onnx has none
or is wrong, and rows on the decision boundaries that the graph is proven on."""
