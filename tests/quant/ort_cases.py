"""Judges what quant_cases made, by onnxruntime.

    ort_cases.py CASES FOLDER [NAME ...]

For every CASES/x.case that was quantized:
  - the model passes the checker, loads, and its graph outputs have its names;
  - in the optimised graph there are as many integer layers as were placed, and
    as many float ones as were not ("census" lines may ask for more);
  - outputs are within "sqnr" decibels of those of the float model;
  - the built-in engine is within 1 step of the output's scale of onnxruntime
    without optimisations, and within 2 of onnxruntime with all of them; so it
    is between one quantization and the next ("pieces": there only).
"""
import glob
import os
import sys

import numpy as np
import onnx

import ort_common as common

SAMPLES = 3


def hints(path):
    found = {"census": {}, "sqnr": None, "steps": (1.0, 2.0),
             "may_refuse": False, "pieces": False}
    for line in open(path, encoding="utf-8"):
        w = line.split()
        if w[:1] != ["#!"]:
            continue
        if w[1] == "refused":
            return None
        if w[1] == "census":
            found["census"].update(zip(w[2::2], map(int, w[3::2])))
        if w[1] in ("may_refuse", "pieces"):
            found[w[1]] = True
        if w[1] == "steps":
            found["steps"] = tuple(map(float, w[2:4]))
        if w[1] == "sqnr":
            found["sqnr"] = float(w[2])
    return found


def check_layers(made, plan, merged):
    """The runtime keeps the names of layers, with something behind them."""
    kernels = {n.name.split("/")[0]: n.op_type for n in made.graph.node
               if n.op_type in common.INTEGER_LAYERS + common.FLOAT_LAYERS}
    errors = []
    for integer, op, name, _ in plan:
        kernel = kernels.get(name)
        if op not in common.LINEAR or kernel is None or name in merged:
            continue
        if integer != (kernel in common.INTEGER_LAYERS):
            errors.append(f"{name} runs as {kernel}, placed on "
                          + ("integers" if integer else "floats"))
    return errors


def check_census(found, plan, want, merged):
    errors = []
    layers = [(i, name in merged) for i, op, name, _ in plan
              if op in common.LINEAR]
    for text, ops, kind in (("integer", common.INTEGER_LAYERS, True),
                            ("float", common.FLOAT_LAYERS, False)):
        n = sum(found[op] for op in ops)
        placed = sum(i == kind for i, _ in layers)
        alone = sum(i == kind and not twice for i, twice in layers)
        if not alone <= n <= placed:
            errors.append(f"{n} {text} layers, placed {placed}: {dict(found)}")
    for op, n in want["census"].items():
        if found[op] != n:
            errors.append(f"{found[op]} {op}, expected {n}: {dict(found)}")
    return errors


def check_names(model):
    for g in common.graphs_of(model.graph):
        names = [n.name for n in g.node if n.name]
        if len(names) != len(set(names)):
            return ["a node name is not unique"]
    return []


def run(s, feeds):
    wanted = {i.name for i in s.get_inputs()}
    return s.run(None, {k: v for k, v in feeds.items() if k in wanted})


def check_numbers(base, model, want):
    errors, worst = [], {"none": 0.0, "all": 0.0}
    sessions = {level: common.session(base + ".quant.onnx", level)
                for level in ("none", "all")}
    real = common.session(base + ".float.onnx", "all")
    scales = common.output_scales(model)
    outputs = [o.name for o in real.get_outputs()]
    if outputs != [o.name for o in sessions["all"].get_outputs()]:
        return ["other outputs"], worst, []
    numbers = [[[], []] for _ in outputs]
    for k in range(SAMPLES):
        feeds = {i.name: np.load(f"{base}.in.{k}.{n}.npy")
                 for n, i in enumerate(sessions["all"].get_inputs())}
        floats = run(real, feeds)
        by = {level: run(s, feeds) for level, s in sessions.items()}
        for o, name in enumerate(outputs):
            ours = np.load(f"{base}.out.{k}.{o}.npy")
            numbers[o][0].append(floats[o])
            numbers[o][1].append(by["all"][o])
            scale = scales.get(name) or common.step_of(floats[o])
            for level, limit in zip(("none", "all"), want["steps"]):
                d = common.steps_apart(by[level][o], ours, scale)
                worst[level] = max(worst[level], d)
                if d > limit * 1.0001 and not want["pieces"]:
                    errors.append(f"sample {k}, {name}: {d:.2f} steps from "
                                  f"onnxruntime ({level})")
    more, apart = common.check_pieces(base, feeds)
    errors += more
    worst = apart if want["pieces"] else {k: max(worst[k], apart[k])
                                          for k in worst}
    quality = [common.sqnr(np.array(a), np.array(b)) for a, b in numbers]
    for name, q in zip(outputs, quality):
        if want["sqnr"] is not None and q < want["sqnr"]:
            errors.append(f"{name}: {q:.1f} dB, expected {want['sqnr']}")
    return errors, worst, quality


def sound(base):
    """Does onnxruntime run the float model, and to the same numbers with and
    without optimisations?  It breaks some: Transpose before a product with a
    vector, two Splits of one value into different numbers of parts."""
    path = base + ".float.onnx"
    if not os.path.exists(path):
        return False
    try:
        sessions = [common.session(path, level) for level in ("none", "all")]
        feeds = {i.name: np.load(f"{base}.in.0.{n}.npy")
                 for n, i in enumerate(sessions[0].get_inputs())}
        results = [run(s, feeds) for s in sessions]
    except Exception as e:  # pylint: disable=broad-except
        print(os.path.basename(base), "left out:", str(e)[:200])
        return False
    apart = max(common.steps_apart(a, b, common.step_of(a))
                for a, b in zip(*results))
    if apart > 0.5:
        print(os.path.basename(base), f"left out: {apart:.2f} steps of "
              "onnxruntime from itself")
    return apart <= 0.5


def check(case, folder):
    name = os.path.basename(case)[:-len(".case")]
    base = os.path.join(folder, name)
    want = hints(case)
    if want and want["pieces"] and not sound(base):
        return None
    path = base + ".quant.onnx"
    if want is None or want["may_refuse"] and not os.path.exists(path):
        return None
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    errors = check_names(model)
    plan, merged = common.read_plan(base + ".plan"), common.repeated(model)
    made = common.optimised(path)
    found = common.census(made)
    errors += check_census(found, plan, want, merged)
    errors += check_layers(made, plan, merged)
    more, worst, quality = check_numbers(base, model, want)
    return errors + more, worst, quality, found


def main(cases, folder, names):
    failed = judged = 0
    most = {"none": 0.0, "all": 0.0}
    files = sorted(glob.glob(os.path.join(cases, "*.case")))
    for case in files:
        if names and os.path.basename(case)[:-5] not in names:
            continue
        try:
            result = check(case, folder)
        except Exception as e:  # pylint: disable=broad-except
            result = ([f"{type(e).__name__}: {str(e)[:500]}"], most, [], {})
        if result is None:
            continue
        judged += 1
        errors, worst, quality, found = result
        for level in most:
            most[level] = max(most[level], worst[level])
        if errors or names:
            print(os.path.basename(case), " ".join(f"{q:.1f}" for q in quality),
                  dict(found) if names else "")
        for e in errors:
            print("   ", e)
        failed += bool(errors)
    print(f"{judged} models, {failed} with errors; at most {most['none']:.2f} "
          f"steps from onnxruntime without, {most['all']:.2f} with "
          "optimisations")
    return 1 if failed or judged == 0 else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], sys.argv[3:]))
