#!/usr/bin/env python3
"""ort_ml_cases.py [HERE] OUT: like ort_cases.py, for operators of ai.onnx.ml.

Left aside is where onnxruntime 1.31 does not do what the operator text says:
votes for both of two classes (it gives labels that are not in the list), base
values with them, and those of targets that nothing votes for (it drops them),
several votes of a leaf for one target (it takes the first), SOFTMAX and
LOGISTIC of TreeEnsemble (it takes one for the other), and the one score of two
classes with PROBIT (it does not write the second).
"""
import os
import pathlib
import sys

import numpy as np
from onnx import TensorProto, helper

import ort_cases
from ort_cases import F32, ML, left_out, normal, rng_of

F64, I32, I64 = np.float64, np.int32, np.int64
POSTS = ["NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT"]
MODES = ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ",
         "BRANCH_NEQ"]


def case(out, name, op, inputs, attrs, n_out=1, version=1, **more):
    ort_cases.case(out, name, op, inputs, attrs, n_out, domain=ML, opset=17,
                   version=version, **more)


def floats(v):
    return [float(x) for x in np.ravel(v)]


def ints(v):
    return [int(x) for x in np.ravel(v)]


def tensor(name, v, kind=TensorProto.DOUBLE):
    return helper.make_tensor(name, kind, [len(v)], v)


def features(rng, n, c, dtype, gaps=False):
    """Small numbers on a grid, so that comparisons meet their thresholds."""
    x = rng.integers(-4, 5, (n, c)) / (1 if dtype in (I32, I64) else 2)
    x = x.astype(dtype)
    if gaps:
        x[rng.random(x.shape) < .2] = np.nan
    return x


def labels(rng, n, key):
    if rng.random() < .7:
        return {key: ints(rng.permutation(n * 3)[:n])}
    return {"classlabels_strings": [f"c{k}" for k in rng.permutation(n)]}


# ---- trees of versions 1 and 3 ----------------------------------------------
class Trees:
    """Random trees as lists of nodes; leaves are (tree, node)."""

    def __init__(self, rng, n_trees, depth, columns, modes):
        self.rng, self.columns, self.modes = rng, columns, modes
        self.rows, self.leaves = [], []
        for t in range(n_trees):
            self.nodes = []
            self.grow(t, depth)
            self.rows += self.nodes

    def grow(self, tree, depth):
        me = len(self.nodes)
        self.nodes.append(None)
        if depth == 0 or (me > 0 and self.rng.random() < .15):
            self.nodes[me] = (tree, me, 0, "LEAF", 0., 0, 0, 0)
            self.leaves.append((tree, me))
            return me
        yes = self.grow(tree, depth - 1)
        no = self.grow(tree, depth - 1)
        self.nodes[me] = (tree, me, int(self.rng.integers(self.columns)),
                          str(self.rng.choice(self.modes)),
                          float(self.rng.integers(-4, 5)) / 2, yes, no,
                          int(self.rng.integers(2)))
        return me

    def attrs(self, tracks, wide):
        tree, node, column, mode, value, yes, no, track = zip(*self.rows)
        a = {"nodes_treeids": tree, "nodes_nodeids": node,
             "nodes_featureids": column, "nodes_modes": mode,
             "nodes_truenodeids": yes, "nodes_falsenodeids": no}
        if wide:
            a["nodes_values_as_tensor"] = tensor("v", value)
        else:
            a["nodes_values"] = value
        if tracks:
            a["nodes_missing_value_tracks_true"] = track
        return a


def random_trees(rng, i, columns):
    modes = [MODES[i % 6]] if i % 3 else MODES
    if i % 7 == 0:
        modes = MODES[:1]
    return Trees(rng, int(rng.integers(1, 12)), int(rng.integers(0, 6)),
                 columns, modes)


def votes(what, leaves, ids, weights, wide):
    a = {f"{what}_treeids": [t for t, _ in leaves],
         f"{what}_nodeids": [n for _, n in leaves], f"{what}_ids": ids}
    if wide:
        a[f"{what}_weights_as_tensor"] = tensor("w", floats(weights))
    else:
        a[f"{what}_weights"] = floats(weights)
    return a


def some_votes(rng, leaves, n, all_targets):
    """One or more targets per leaf, each once."""
    where, ids = [], []
    for leaf in leaves:
        k = n if all_targets else int(rng.integers(1, n + 1))
        for t in rng.permutation(n)[:k]:
            where.append(leaf)
            ids.append(int(t))
    return where, ids


def base_of(rng, n, wide):
    b = floats(normal(rng, n))
    return {"base_values_as_tensor": tensor("b", b)} if wide else {
        "base_values": b}


def regressors(out):
    for i in range(60):
        name = f"ort_tree_regressor_{i}"
        rng = rng_of(name)
        n, columns = int(rng.integers(1, 300 if i % 9 == 0 else 12)), 5
        dtype = [F32, F32, F64][i % 3]
        version = 1 if i % 4 == 0 else 3
        wide = version == 3 and dtype == F64 and i % 2 == 0
        targets = [1, 1, 2, 4][i % 4]
        t = random_trees(rng, i, columns)
        base = rng.random() < .5
        where, ids = some_votes(rng, t.leaves, targets, base)
        attrs = t.attrs(i % 5 == 1, wide)
        attrs.update(votes("target", where, ids, normal(rng, len(ids)), wide))
        attrs["n_targets"] = targets
        attrs["aggregate_function"] = ["SUM", "AVERAGE", "MIN", "MAX"][
            int(rng.integers(4))]
        attrs["post_transform"] = POSTS[int(rng.integers(4))]
        if base:
            attrs.update(base_of(rng, targets, wide))
        case(out, name, "TreeEnsembleRegressor",
             [features(rng, n, columns, dtype, i % 5 == 1)], attrs,
             version=version)


def classifiers(out):
    for i in range(100):
        name = f"ort_tree_classifier_{i}"
        rng = rng_of(name)
        n, columns = int(rng.integers(1, 300 if i % 9 == 0 else 12)), 5
        dtype = [F32, F32, F64, I64, I32][i % 5]
        version = 1 if i % 4 == 0 else 3
        wide = version == 3 and dtype == F64 and i % 2 == 0
        gaps = i % 6 == 1 and dtype not in (I32, I64)
        t = random_trees(rng, i, columns)
        classes = [2, 3, 5][i % 3]
        post = POSTS[int(rng.integers(5))]
        signs = rng.random() < .5
        attrs = t.attrs(gaps, wide)
        if classes == 2:
            post = POSTS[int(rng.integers(4))]
            where, ids = t.leaves, [i // 3 % 2] * len(t.leaves)
            if ids[0] == 0 and rng.random() < .5:
                attrs.update(base_of(rng, 1, wide))
        else:
            where, ids = some_votes(rng, t.leaves, classes, False)
            if post == "PROBIT":
                post = "NONE"
            if rng.random() < .4:
                attrs.update(base_of(rng, classes, wide))
        w = normal(rng, len(ids), scale=.3)
        attrs.update(votes("class", where, ids, w if signs else np.abs(w),
                           wide))
        attrs.update(labels(rng, classes, "classlabels_int64s"))
        attrs["post_transform"] = post
        case(out, name, "TreeEnsembleClassifier",
             [features(rng, n, columns, dtype, gaps)], attrs, 2,
             version=version)


# ---- trees of version 5 -----------------------------------------------------
class Ensemble:
    def __init__(self, rng, n_trees, depth, columns, modes, targets):
        self.rng, self.columns, self.modes = rng, columns, modes
        self.targets = targets
        self.nodes, self.leaves, self.members = [], [], []
        self.roots = [self.grow(depth) for _ in range(n_trees)]

    def leaf(self):
        self.leaves.append((int(self.rng.integers(self.targets)),
                            float(self.rng.standard_normal())))
        return len(self.leaves) - 1

    def side(self, depth):
        if depth == 0 or self.rng.random() < .15:
            return self.leaf(), 1
        return self.grow(depth - 1), 0

    def grow(self, depth):
        me = len(self.nodes)
        mode = int(self.rng.choice(self.modes))
        self.nodes.append(None)
        if mode == 6:
            self.members += [float(v) for v in self.rng.permutation(
                np.arange(-4, 5))[:int(self.rng.integers(1, 5))]] + [np.nan]
        yes, yes_leaf = self.side(depth)
        no, no_leaf = self.side(depth)
        self.nodes[me] = (int(self.rng.integers(self.columns)), mode,
                          float(self.rng.integers(-4, 5)) / 2, yes, yes_leaf,
                          no, no_leaf, int(self.rng.integers(2)))
        return me

    def attrs(self, kind, tracks):
        column, mode, split, yes, yes_leaf, no, no_leaf, track = zip(
            *self.nodes)
        target, weight = zip(*self.leaves)
        a = {"n_targets": self.targets, "tree_roots": self.roots,
             "nodes_featureids": column, "nodes_truenodeids": yes,
             "nodes_trueleafs": yes_leaf, "nodes_falsenodeids": no,
             "nodes_falseleafs": no_leaf,
             "nodes_modes": tensor("m", mode, TensorProto.UINT8),
             "nodes_splits": tensor("s", split, kind),
             "leaf_targetids": target,
             "leaf_weights": tensor("w", weight, kind)}
        if self.members:
            a["membership_values"] = tensor("b", self.members, kind)
        if tracks:
            a["nodes_missing_value_tracks_true"] = track
        return a


def ensembles(out):
    for i in range(60):
        name = f"ort_tree_ensemble_{i}"
        rng = rng_of(name)
        dtype, kind = [(F32, TensorProto.FLOAT), (F64, TensorProto.DOUBLE)][
            i % 2]
        modes = list(range(7)) if i % 3 == 0 else [i // 3 % 6]
        t = Ensemble(rng, int(rng.integers(1, 9)), int(rng.integers(0, 5)), 5,
                     modes, [1, 1, 3][i % 3])
        tracks = i % 5 == 1 and modes != list(range(7))
        attrs = t.attrs(kind, tracks)
        attrs["aggregate_function"] = int(rng.integers(4))
        attrs["post_transform"] = [0, 3][int(rng.integers(2))]
        x = features(rng, int(rng.integers(1, 20)), 5, dtype, tracks)
        if 6 in modes:
            x = np.rint(x)
        case(out, name, "TreeEnsemble", [x], attrs, version=5)


# ---- linear models ----------------------------------------------------------
def linear(out):
    for i in range(60):
        name = f"ort_linear_classifier_{i}"
        rng = rng_of(name)
        n, c = int(rng.integers(1, 9)), int(rng.integers(1, 9))
        classes = [2, 3, 2, 6][i % 4]
        rows = 1 if i % 4 == 2 else classes
        post = POSTS[i % 5]
        if post == "PROBIT" and rows == 1:
            post = "NONE"
        scale = .02 if post == "PROBIT" else 1.
        attrs = {"coefficients": floats(normal(rng, rows, c, scale=scale)),
                 "intercepts": floats(rng.random(rows) * .3 + .55),
                 "post_transform": post, "multi_class": i % 2}
        attrs.update(labels(rng, classes, "classlabels_ints"))
        case(out, name, "LinearClassifier",
             [features(rng, n, c, [F32, F64, I64, I32][i % 4])], attrs, 2)
    for i in range(30):
        name = f"ort_linear_regressor_{i}"
        rng = rng_of(name)
        n, c = int(rng.integers(1, 9)), int(rng.integers(1, 9))
        targets = [1, 3][i % 2]
        post = POSTS[i % 5]
        scale = .02 if post == "PROBIT" else 1.
        attrs = {"coefficients": floats(normal(rng, targets, c, scale=scale)),
                 "targets": targets, "post_transform": post}
        if i % 3 or post == "PROBIT":
            attrs["intercepts"] = floats(rng.random(targets) * .3 + .55)
        case(out, name, "LinearRegressor", [features(rng, n, c, F32)], attrs)


def kernel_of(rng, i):
    kind = ["LINEAR", "POLY", "RBF", "SIGMOID"][i % 4]
    return {"kernel_type": kind,
            "kernel_params": floats([rng.random() * .3 + .05,
                                     rng.random() + .2,
                                     float(rng.integers(1, 5))])}


def machines(out):
    for i in range(40):
        name = f"ort_svm_regressor_{i}"
        rng = rng_of(name)
        n, c = int(rng.integers(1, 9)), int(rng.integers(1, 7))
        vectors = 0 if i % 5 == 4 else int(rng.integers(1, 9))
        attrs = kernel_of(rng, i)
        attrs.update(n_supports=vectors, rho=floats(normal(rng, 1)),
                     coefficients=floats(normal(rng, vectors or c)),
                     one_class=int(i % 6 == 5))
        if vectors:
            attrs["support_vectors"] = floats(normal(rng, vectors, c))
        case(out, name, "SVMRegressor", [features(rng, n, c, F32)], attrs)
    for i in range(80):
        name = f"ort_svm_classifier_{i}"
        rng = rng_of(name)
        n, c = int(rng.integers(1, 9)), int(rng.integers(1, 7))
        classes = [2, 3, 2, 5][i // 4 % 4]
        attrs = kernel_of(rng, i)
        attrs["post_transform"] = POSTS[int(rng.integers(4))]
        attrs.update(labels(rng, classes, "classlabels_ints"))
        if i % 5 == 4:
            w = normal(rng, classes, c)
            attrs.update(coefficients=floats(np.abs(w) if i % 2 else w),
                         rho=floats(normal(rng, 1)))
        else:
            per = rng.integers(1, 5, classes)
            pairs = classes * (classes - 1) // 2
            attrs.update(
                vectors_per_class=ints(per), rho=floats(normal(rng, pairs)),
                support_vectors=floats(normal(rng, per.sum(), c)),
                coefficients=floats(normal(rng, classes - 1, per.sum())))
            if i % 3 == 0:
                attrs.update(prob_a=floats(-rng.random(pairs) - .2),
                             prob_b=floats(normal(rng, pairs, scale=.2)))
        case(out, name, "SVMClassifier",
             [features(rng, n, c, [F32, F64, I64, I32][i % 4])], attrs, 2)


# ---- features ---------------------------------------------------------------
NUMBERS = [F32, F64, I64, I32]


def numbers(rng, i, *shape):
    return features(rng, int(np.prod(shape)), 1, NUMBERS[i % 4]).reshape(shape)


def scalers(out):
    for i in range(16):
        name = f"ort_scaler_{i}"
        rng = rng_of(name)
        n, c = int(rng.integers(1, 7)), int(rng.integers(1, 7))
        k = 1 if i % 3 == 2 else c
        shape = (c,) if i % 5 == 4 else (n, c)
        case(out, name, "Scaler", [numbers(rng, i, *shape)],
             {"offset": floats(normal(rng, k)), "scale": floats(normal(rng, k))})
    for i in range(24):
        name = f"ort_normalizer_{i}"
        rng = rng_of(name)
        n, c = int(rng.integers(1, 7)), int(rng.integers(1, 7))
        x = numbers(rng, i // 3, *((c,) if i % 5 == 4 else (n, c)))
        if i % 4 == 1:
            x[..., :] = 0
        case(out, name, "Normalizer", [x], {"norm": ["MAX", "L1", "L2"][i % 3]})
    for i in range(6):
        name = f"ort_binarizer_{i}"
        rng = rng_of(name)
        x = features(rng, 4, 5, F32).reshape([(4, 5), (20,), (2, 2, 5)][
            i % 3])
        case(out, name, "Binarizer", [x],
             {"threshold": float(rng.integers(-2, 3)) / 2})


def imputers(out):
    for i in range(16):
        name = f"ort_imputer_{i}"
        rng = rng_of(name)
        n, c = int(rng.integers(1, 7)), int(rng.integers(1, 7))
        k = 1 if i % 3 == 2 else c
        shape = (c,) if i % 5 == 4 else (n, c)
        if i % 2:
            attrs = {"imputed_value_int64s": ints(rng.integers(10, 20, k)),
                     "replaced_value_int64": int(rng.integers(-2, 3))}
            x = features(rng, n, c, I64)
        else:
            attrs = {"imputed_value_floats": floats(normal(rng, k)),
                     "replaced_value_float":
                         float("nan") if i % 4 else .5}
            x = features(rng, n, c, F32, True)
        case(out, name, "Imputer", [x.reshape(-1)[:c] if i % 5 == 4 else x],
             attrs)


def vectorizers(out):
    for i in range(16):
        name = f"ort_feature_vectorizer_{i}"
        rng = rng_of(name)
        n = int(rng.integers(1, 5))
        ins, sizes = [], []
        dtype = NUMBERS[i % 4]
        for k in range(int(rng.integers(1, 5))):
            c = int(rng.integers(1, 5))
            shape = (c,) if i % 5 == 4 else (n, c)
            ins.append(features(rng, n, c, dtype).reshape(-1)[
                :int(np.prod(shape))].reshape(shape))
            sizes.append(c + [0, 0, 1, -1][int(rng.integers(4))])
        sizes = [max(s, 0) for s in sizes]
        case(out, name, "FeatureVectorizer", ins, {"inputdimensions": sizes})
    for i in range(12):
        name = f"ort_array_feature_extractor_{i}"
        rng = rng_of(name)
        shape = [(5,), (3, 5), (2, 3, 5)][i % 3]
        at = rng.integers(0, 5, [(4,), (1, 3), (1,)][i // 3 % 3])
        case(out, name, "ArrayFeatureExtractor",
             [numbers(rng, i, *shape), at.astype(I64)], {})


# ---- categories -------------------------------------------------------------
def words(rng, n):
    return [f"w{k}" for k in rng.permutation(3 * n)[:n]]


def unique(rng, kind, n):
    """Keys or values, each once."""
    if kind == "strings":
        return words(rng, n)
    v = rng.permutation(3 * n)[:n] - n
    return floats(v / 2) if kind == "floats" else ints(v)


def some_of(rng, kind, keys, shape):
    v = [keys[int(k)] if rng.random() < .7 else ("zz" if kind == "strings"
                                                 else 77)
         for k in rng.integers(0, len(keys), int(np.prod(shape)))]
    return np.array(v, {"strings": object, "floats": F32, "int64s": I64}[
        kind]).reshape(shape)


def string_default(rng):
    return {"default_string": "nobody"} if rng.random() < .5 else {}


def encoders(out):
    kinds = ["strings", "int64s", "floats"]
    pairs = [(a, b) for a in kinds for b in kinds]
    for i in range(36):
        name = f"ort_label_encoder_{i}"
        rng = rng_of(name)
        a, b = pairs[i % 9]
        version = 2 if i < 18 else 4
        n = int(rng.integers(1, 9))
        keys = unique(rng, a, n)
        attrs = {f"keys_{a}": keys, f"values_{b}": unique(rng, b, n)}
        attrs.update(string_default(rng) if b == "strings" else
                     {"default_int64": 99} if b == "int64s" else
                     {"default_float": .25})
        shape = [(6,), (2, 3), (1, 2, 2)][i % 3]
        case(out, name, "LabelEncoder", [some_of(rng, a, keys, shape)], attrs,
             version=version)
    for i in range(6):
        name = f"ort_label_encoder_tensor_{i}"
        rng = rng_of(name)
        n = int(rng.integers(1, 9))
        keys = unique(rng, "floats" if i % 2 else "int64s", n)
        kind = [TensorProto.INT64, TensorProto.DOUBLE][i % 2]
        x = some_of(rng, "floats", keys, (8,)).astype([I64, F64][i % 2])
        case(out, name, "LabelEncoder", [x], {
            "keys_tensor": tensor("k", keys, kind),
            "values_tensor": tensor("v", unique(rng, "floats" if i % 2 else
                                                "int64s", n), kind),
            "default_tensor": tensor("d", [5], kind)}, version=4)
    for i in range(6):
        name = f"ort_label_encoder_1_{i}"
        rng = rng_of(name)
        n = int(rng.integers(1, 9))
        classes = words(rng, n)
        x = (some_of(rng, "strings", classes, (2, 3)) if i % 2 else
             rng.integers(-2, n + 2, (6,)).astype(I64))
        case(out, name, "LabelEncoder", [x], {
            "classes_strings": classes,
            **({"default_int64": 7} if i % 2 else string_default(rng))})
    for i in range(8):
        name = f"ort_category_mapper_{i}"
        rng = rng_of(name)
        n = int(rng.integers(1, 9))
        cats, numbers_ = words(rng, n), unique(rng, "int64s", n)
        kind = "strings" if i % 2 else "int64s"
        x = some_of(rng, kind, cats if i % 2 else numbers_, (2, 3))
        case(out, name, "CategoryMapper", [x], {
            "cats_strings": cats, "cats_int64s": numbers_,
            **({"default_int64": 7} if i % 2 else string_default(rng))})
    for i in range(16):
        name = f"ort_one_hot_encoder_{i}"
        rng = rng_of(name)
        n = int(rng.integers(1, 9))
        kind = ["strings", "int64s"][i % 2]
        cats = unique(rng, kind, n)
        x = some_of(rng, kind, cats, [(4,), (2, 3)][i % 3 > 0])
        if i % 4 == 1:
            x = (x + np.sign(x) * .25).astype(F32)
        if i % 8 == 3:
            x = x.astype(F64)
        case(out, name, "OneHotEncoder", [x], {f"cats_{kind}": cats})
    for i in range(3):
        name = f"ort_array_feature_extractor_words_{i}"
        rng = rng_of(name)
        x = np.array(words(rng, 12), object).reshape([(12,), (3, 4),
                                                      (2, 3, 2)][i])
        case(out, name, "ArrayFeatureExtractor",
             [x, np.array([1, 0], I64)], {})


# ---- pipelines as sklearn's converter writes them -----------------------------
def pipeline(out, name, nodes, x, outputs):
    g = helper.make_graph(
        nodes, name, [helper.make_tensor_value_info("X", TensorProto.FLOAT,
                                                    [None, x.shape[1]])],
        [helper.make_tensor_value_info(*y) for y in outputs])
    m = helper.make_model(g, ir_version=8, opset_imports=[
        helper.make_opsetid("", 17), helper.make_opsetid(ML, 1)])
    results = ort_cases.run(m, {"X": x})
    data = out / "float" / "node" / f"test_{name}" / "test_data_set_0"
    data.mkdir(parents=True, exist_ok=True)
    (data.parent / "model.onnx").write_bytes(m.SerializeToString())
    ort_cases.write_pb(data / "input_0.pb", x, "X")
    for i, v in enumerate(results):
        ort_cases.write_pb(data / f"output_{i}.pb", v, outputs[i][0])


def pipelines(out):
    node = helper.make_node
    for i in range(8):
        name = f"ort_logistic_regression_{i}"
        rng = rng_of(name)
        classes, c = [2, 3, 5][i % 3], int(rng.integers(2, 9))
        kind = TensorProto.INT64
        pipeline(out, name, [
            node("Scaler", ["X"], ["scaled"], domain=ML,
                 offset=floats(normal(rng, c)), scale=floats(rng.random(c))),
            node("LinearClassifier", ["scaled"], ["label", "raw"], domain=ML,
                 coefficients=floats(normal(rng, classes, c)),
                 intercepts=floats(normal(rng, classes)), multi_class=1,
                 post_transform="LOGISTIC" if classes == 2 else "SOFTMAX",
                 classlabels_ints=list(range(classes))),
            node("Normalizer", ["raw"], ["probabilities"], domain=ML,
                 norm="L1"),
            node("Cast", ["label"], ["output_label"], to=kind)],
            normal(rng, 7, c), [("output_label", kind, [None]),
                                ("probabilities", TensorProto.FLOAT, None)])
    for i in range(4):
        name = f"ort_forest_{i}"
        rng = rng_of(name)
        t = Trees(rng, 20, 6, 6, MODES[:1])
        attrs = t.attrs(False, False)
        attrs.update(votes("target", t.leaves, [0] * len(t.leaves),
                           normal(rng, len(t.leaves)), False), n_targets=1,
                     aggregate_function=["SUM", "AVERAGE"][i % 2])
        pipeline(out, name, [
            node("Imputer", ["X"], ["whole"], domain=ML,
                 imputed_value_floats=floats(normal(rng, 6)),
                 replaced_value_float=float("nan")),
            node("TreeEnsembleRegressor", ["whole"], ["variable"], domain=ML,
                 **attrs)],
            features(rng, 40, 6, F32, True),
            [("variable", TensorProto.FLOAT, [None, 1])])


GROUPS = [regressors, classifiers, ensembles, linear, machines, scalers,
          imputers, vectorizers, encoders, pipelines]


def main(argv):
    out = pathlib.Path(argv[-1])
    for group in GROUPS:
        group(out)
    for line in left_out:
        print("left out", line)
    (out / "complete").write_text("")


if __name__ == "__main__":
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    main(sys.argv)
