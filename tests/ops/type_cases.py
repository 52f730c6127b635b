#!/usr/bin/env python3
"""type_cases.py CASES OUT: official cases of one node with every other element
type that the operator's schema allows, in the layout of the official ones.

For each operator, type parameter and element type one case of CASES/node is
taken and its inputs are cast. What should come out is what onnxruntime
computes, else the reference evaluator of the onnx package; cases that neither
runs are left out.  OUT/exact/node holds what must agree as usual, OUT/half/node
what is rounded to 16 bits or less.
"""
import os
import pathlib
import sys
import warnings

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

NEWEST = 27
SMALL = {"float16", "bfloat16", "float8e4m3fn", "float8e4m3fnuz", "float8e5m2",
         "float8e5m2fnuz", "float8e8m0", "float4e2m1"}
# Random, of pictures, or with bodies; BitCast keeps the size of elements.
NOT = {"ImageDecoder", "Bernoulli", "Multinomial", "RandomNormal",
       "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Dropout",
       "If", "Loop", "Scan", "SequenceMap", "BitCast"}


def number_of(name):
    return {"float": TensorProto.FLOAT, "double": TensorProto.DOUBLE}.get(
        name) or getattr(TensorProto, name.upper())


def cast(v, name):
    t = helper.tensor_dtype_to_np_dtype(number_of(name))
    if v.dtype == t:
        return v
    if v.dtype.kind not in "fiubc" or number_of(name) > 16:
        v = v.astype(np.float32)
    if v.dtype.name in SMALL:
        v = v.astype(np.float32)
    if name == "bool":
        return v != 0
    if "int" in name:
        bits = int(name.lstrip("uint"))
        lo, hi = (0, 2 ** bits - 1) if name[0] == "u" else (
            -2 ** (bits - 1), 2 ** (bits - 1) - 1)
        if v.dtype.kind in "fc":
            v = np.where(np.isfinite(v), v, 0)
        if v.dtype.kind == "f" and np.abs(v).max(initial=0) <= 1:
            v = v * 3  # keep some of the numbers between 0 and 1
        v = np.clip(np.rint(v) if v.dtype.kind == "f" else v, lo,
                    min(hi, 2 ** 31))
    return v.astype(t)


def inputs_of(folder, model):
    data = folder / "test_data_set_0"
    out = []
    for i in range(len(model.graph.input)):
        t = TensorProto()
        t.ParseFromString((data / f"input_{i}.pb").read_bytes())
        out.append(numpy_helper.to_array(t))
    return out


def retyped(model, slots, name):
    """A copy whose graph inputs that feed `slots` are of another type."""
    m = onnx.ModelProto()
    m.CopyFrom(model)
    names = {m.graph.node[0].input[s] for s in slots}
    for x in m.graph.input:
        if x.name in names:
            x.type.tensor_type.elem_type = number_of(name)
    for y in m.graph.output:
        y.ClearField("type")
    return m, names


def by_onnxruntime(model, feeds):
    import onnxruntime as ort
    opt = ort.SessionOptions()
    opt.intra_op_num_threads = 1
    opt.log_severity_level = 4
    s = ort.InferenceSession(model.SerializeToString(), opt,
                             providers=["CPUExecutionProvider"])
    return s.run(None, feeds)


def by_onnx(model, feeds):
    from onnx.reference import ReferenceEvaluator
    return ReferenceEvaluator(model).run(None, feeds)


def right_types(schema, node, feeds, results):
    """The evaluators do not always keep to the schema."""
    bound = {}
    for i, x in enumerate(node.input):
        if x:
            formal = schema.inputs[min(i, len(schema.inputs) - 1)]
            bound.setdefault(formal.type_str, feeds[x].dtype)
    for i, v in enumerate(results):
        formal = schema.outputs[min(i, len(schema.outputs) - 1)].type_str
        if formal.startswith("tensor("):
            t = helper.tensor_dtype_to_np_dtype(number_of(formal[7:-1]))
        else:
            t = bound.get(formal, v.dtype)
            kind = TensorProto.DataType.Name(
                helper.np_dtype_to_tensor_dtype(v.dtype)).lower()
            if formal not in bound and kind not in allowed(schema, formal):
                return False
        if v.dtype != t:
            return False
    return True


def defined(op, feeds, name):
    """Of infinity there is no integer, of a float no remainder as of ints."""
    return not (op == "CastLike" and ("int" in name or name == "float8e8m0")
                and not all(np.isfinite(v.astype(np.float32)).all()
                            for v in feeds.values())
                or op == "CastLike" and name.startswith("uint")
                and any((v.astype(np.float32) < 0).any()
                        for v in feeds.values())
                or op == "Mod" and "float" in name.replace("double", "float"))


def outputs_of(model, feeds, schema):
    for f in (by_onnxruntime, by_onnx):
        try:
            y = [np.asarray(v) for v in f(model, feeds)]
        except Exception:  # each has a dozen classes of its own
            continue
        if right_types(schema, model.graph.node[0], feeds, y):
            return y
    return None


def write(folder, model, feeds, results):
    data = folder / "test_data_set_0"
    data.mkdir(parents=True)
    for y, v in zip(model.graph.output, results):
        y.CopyFrom(helper.make_tensor_value_info(
            y.name, helper.np_dtype_to_tensor_dtype(v.dtype), v.shape))
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    for stem, values in (("input", feeds.values()), ("output", results)):
        for i, v in enumerate(values):
            t = numpy_helper.from_array(v, "")
            (data / f"{stem}_{i}.pb").write_bytes(t.SerializeToString())


def is_small(t):
    return t.name in SMALL


def one(out, folder, model, schema, var, slots, name):
    """True if a case was made."""
    m, names = retyped(model, slots, name)
    feeds = {}
    for x, v in zip(m.graph.input, inputs_of(folder, model)):
        feeds[x.name] = cast(v, name) if x.name in names else v
    if not defined(model.graph.node[0].op_type, feeds, name):
        return False
    results = outputs_of(m, feeds, schema)
    if results is None:
        return False
    kind = "half" if any(is_small(v.dtype) for v in results) else "exact"
    node = model.graph.node[0]
    write(out / kind / "node" / f"{node.op_type}_{var}_{name}", m, feeds,
          results)
    return True


def schema_of(model):
    node = model.graph.node[0]
    opset = {s.domain: s.version for s in model.opset_import}
    if node.domain or opset.get("", 0) > NEWEST or node.op_type in NOT:
        return None
    return onnx.defs.get_schema(node.op_type, opset[""])


def variables(schema, node):
    """Of each type parameter: the inputs it stands for."""
    found = {}
    for i in range(len(node.input)):
        formal = schema.inputs[min(i, len(schema.inputs) - 1)]
        if node.input[i]:
            found.setdefault(formal.type_str, []).append(i)
    return found


def allowed(schema, var):
    for c in schema.type_constraints:
        if c.type_param_str == var:
            return [t[7:-1] for t in c.allowed_type_strs
                    if t.startswith("tensor(") and "string" not in t]
    return []


def main(argv):
    cases, out = pathlib.Path(argv[1]) / "node", pathlib.Path(argv[2])
    done, left = set(), {}
    warnings.simplefilter("ignore")
    for folder in sorted(cases.iterdir()):
        model = onnx.load(folder / "model.onnx")
        if len(model.graph.node) != 1 or model.graph.initializer:
            continue
        if any(not x.type.HasField("tensor_type") or
               x.type.tensor_type.elem_type == TensorProto.STRING
               for x in [*model.graph.input, *model.graph.output]):
            continue
        schema, node = schema_of(model), model.graph.node[0]
        if schema is None:
            continue
        for var, slots in variables(schema, node).items():
            for name in allowed(schema, var):
                key = (node.op_type, var, name)
                if key in done:
                    continue
                if one(out, folder, model, schema, var, slots, name):
                    done.add(key)
                    left.pop(key, None)
                else:
                    left[key] = folder.name
    for op, var, name in sorted(left):
        print(f"left out {op} {var} {name}")
    print(len(done), "cases")
    (out / "complete").write_text("")


if __name__ == "__main__":
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    main(sys.argv)
