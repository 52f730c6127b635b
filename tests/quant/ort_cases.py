"""Judges what quant_cases made, by onnxruntime.

    ort_cases.py CASES FOLDER [NAME ...]

For every CASES/x.case that was quantized:
  - the model passes the checker, loads, and its graph outputs have its names;
  - in the optimised graph there are as many integer layers as were placed, and
    as many float ones as were not ("census" lines may ask for more);
  - outputs are within "sqnr" decibels of those of the float model;
  - the built-in engine is within 1 step of the output's scale of onnxruntime
    without optimisations, and within 2 of onnxruntime with all of them.
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
             "may_refuse": False}
    for line in open(path, encoding="utf-8"):
        w = line.split()
        if w[:1] != ["#!"]:
            continue
        if w[1] == "refused":
            return None
        if w[1] == "census":
            found["census"].update(zip(w[2::2], map(int, w[3::2])))
        if w[1] == "may_refuse":
            found["may_refuse"] = True
        if w[1] == "steps":
            found["steps"] = tuple(map(float, w[2:4]))
        if w[1] == "sqnr":
            found["sqnr"] = float(w[2])
    return found


def check_census(found, plan, want):
    errors = []
    integer = sum(found[op] for op in common.INTEGER_LAYERS)
    real = sum(found[op] for op in common.FLOAT_LAYERS)
    placed = sum(1 for i, op, _, _ in plan if i and op in common.LINEAR)
    left = sum(1 for i, op, _, _ in plan if not i and op in common.LINEAR)
    if (integer, real) != (placed, left):
        errors.append(f"{integer} integer and {real} float layers, placed "
                      f"{placed} and {left}: {dict(found)}")
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
                if d > limit * 1.0001:
                    errors.append(f"sample {k}, {name}: {d:.2f} steps from "
                                  f"onnxruntime ({level})")
    quality = [common.sqnr(np.array(a), np.array(b)) for a, b in numbers]
    for name, q in zip(outputs, quality):
        if want["sqnr"] is not None and q < want["sqnr"]:
            errors.append(f"{name}: {q:.1f} dB, expected {want['sqnr']}")
    return errors, worst, quality


def check(case, folder):
    name = os.path.basename(case)[:-len(".case")]
    base = os.path.join(folder, name)
    want = hints(case)
    path = base + ".quant.onnx"
    if want is None or want["may_refuse"] and not os.path.exists(path):
        return None
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    errors = check_names(model)
    found = common.census(path)
    errors += check_census(found, common.read_plan(base + ".plan"), want)
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
