"""Writes the seeds of the targets for data files: numbers, pictures and
statistics.

    python make_io_seeds.py ONNXQUANT corpus
"""

import io
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
from onnx import TensorProto, helper, numpy_helper
from PIL import Image


def npy(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def npy_files():
    yield "floats", npy(np.array([[1.5, -2], [0, 3]], np.float32))
    yield "doubles_fortran", npy(np.asfortranarray(np.eye(2, 3)))
    yield "bytes", npy(np.arange(5, dtype=np.uint8))
    yield "big_endian", npy(np.array([1, -1], ">i4"))
    yield "scalar", npy(np.array(7, np.int64))
    yield "bools", npy(np.array([True, False]))
    yield "texts", npy(np.array([["a", "\u00e4\U0001f600"], ["", "bcd"]]))
    yield "texts_big_endian", npy(np.array(["a", "\u20ac"], ">U2"))
    yield "text_bytes", npy(np.array([b"abc", b"\xff", b""]))
    yield "texts_fortran", npy(np.asfortranarray([["a", "b"], ["cc", ""]]))


def npz_files():
    arrays = {"x": np.array([1, 2], np.float32), "ids": np.array([[3]])}
    for name, save in (("stored", np.savez), ("deflated", np.savez_compressed)):
        file = io.BytesIO()
        save(file, **arrays)
        yield name, file.getvalue()


def picture(mode, kind, **options):
    pixels = np.arange(8 * 6 * 3, dtype=np.uint8).reshape(6, 8, 3)
    file = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(file, kind, **options)
    return file.getvalue()


def pictures():
    turned = Image.Exif()
    turned[0x0112] = 6
    yield "rgb.png", picture("RGB", "PNG")
    yield "palette.png", picture("P", "PNG")
    yield "alpha.png", picture("RGBA", "PNG", exif=turned)
    yield "gray.jpg", picture("L", "JPEG")
    yield "turned.jpg", picture("RGB", "JPEG", exif=turned, quality=30)
    yield "cmyk.jpg", picture("CMYK", "JPEG", quality=30)
    yield "lossy.webp", picture("RGB", "WEBP", exif=turned)
    yield "lossless.webp", picture("RGBA", "WEBP", lossless=True)
    yield "binary.ppm", picture("RGB", "PPM")
    yield "text.pgm", b"P2 # grey\n3 2 7\n0 1 2\n7 6 5\n"
    yield "wide.pgm", b"P5 2 1 65535\n\x01\x02\xff\xff"


def statistics(program):
    weight = numpy_helper.from_array(np.eye(2, dtype=np.float32), "w")

    def info(name):
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, (1, 2))

    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["h"]),
         helper.make_node("Relu", ["h"], ["y"])],
        "g", [info("x")], [info("y")], [weight])
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    with tempfile.TemporaryDirectory() as folder:
        net, data, out = (pathlib.Path(folder, n) for n in
                          ("net.onnx", "x.npy", "net.oqstats"))
        net.write_bytes(model.SerializeToString())
        for name, values in (
                ("plain", [[3, -3], [3.01, -3.02]]),
                ("odd", [[np.nan, np.inf], [0, 1e-30]])):
            np.save(data, np.array(values, np.float32))
            subprocess.run([program, "calibrate", net, "-o", out, "-q",
                            "--data", data], check=True)
            yield name, out.read_bytes()


def main(program, folder):
    for target, seeds in (("fuzz_npy", npy_files()), ("fuzz_npz", npz_files()),
                          ("fuzz_image", pictures()),
                          ("fuzz_stats", statistics(program))):
        to = pathlib.Path(folder, target)
        to.mkdir(parents=True, exist_ok=True)
        for name, data in seeds:
            (to / name).write_bytes(data)


main(*sys.argv[1:])
