"""Quantizes a model with onnxruntime's own quantizer, the way its
documentation advises: pre-processing, then quantize_static with QDQ.

    python rival.py MODEL SAMPLES OUT [MinMax|Percentile|Entropy]

SAMPLES is a folder of .npz files.  Run as a process of its own, so that its
time and memory can be measured.  Says on stdout what it did.
"""

import glob
import os
import sys
import tempfile

import numpy as np
import onnx
from onnxruntime import quantization
from onnxruntime.quantization.shape_inference import quant_pre_process


class Reader(quantization.CalibrationDataReader):
    def __init__(self, folder):
        self.files = iter(sorted(glob.glob(os.path.join(folder, "*.npz"))))

    def get_next(self):
        file = next(self.files, None)
        return None if file is None else dict(np.load(file))


def raised(model, path):
    """Scales per channel need opset 13; it does not raise the opset itself."""
    m = onnx.load(model)
    opset = max(o.version for o in m.opset_import if o.domain in ("", "ai.onnx"))
    if opset >= 13:
        return model
    m = onnx.version_converter.convert_version(m, 13)
    m.ir_version = max(m.ir_version, 7)
    onnx.save(m, path)
    print("raised to opset 13")
    return path


def prepared(model, path):
    """With its symbolic shape inference if that works for the model."""
    for skip in (False, True):
        try:
            quant_pre_process(model, path, skip_symbolic_shape=skip)
            return path
        except Exception as error:  # whatever it raises is its answer
            print(f"quant_pre_process(skip_symbolic_shape={skip}): "
                  f"{type(error).__name__}: {str(error)[:200]}")
    return model


def main(model, samples, out, method="MinMax"):
    with tempfile.TemporaryDirectory() as folder:
        try:
            model = raised(model, os.path.join(folder, "raised.onnx"))
        except Exception as error:
            print(f"opset: {type(error).__name__}: {str(error)[:200]}")
        quantization.quantize_static(
            prepared(model, os.path.join(folder, "prepared.onnx")), out,
            Reader(samples), quant_format=quantization.QuantFormat.QDQ,
            per_channel=True, activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
            calibrate_method=getattr(quantization.CalibrationMethod, method))


main(*sys.argv[1:])
