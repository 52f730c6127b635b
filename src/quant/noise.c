/* noise.c - layers for which the integers of their data are too coarse.
 *
 * One grid for all channels of a value adds the same noise to each of them, and
 * a layer's weights may bring up the very channels that drown in it.  What a
 * layer makes of the noise of its data is known from its weights: as many
 * squares as an output channel sums.  Compared with how much that channel
 * varies over the samples, this is below a thousandth for nearly all layers of
 * networks that quantize well.  Where half of the channels of a layer get more
 * than a two-hundredth - the layer alone would keep the network below 23 dB -
 * it stays float; and so do the layers before it, if the noise comes from what
 * they have to put out as integers. */
#include "quant/noise.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MOST_NOISE 0.005
/* A part of the noise that is worth removing. */
#define WORTH 0.25

static const char data_too_coarse[] =
    "measured: integers are too coarse for its data";
static const char result_too_coarse[] =
    "measured: integers are too coarse for what reads its result";

typedef struct judge {
  const oq_placed *at;
  const oq_graph *g;
  const oq_stats_core *stats;
  const oq_env *env;
  double *before;   /* value id -> variance of the noise that it is made of,
                     * its own rounding apart */
  double *variance; /* value id -> of the value itself */
  bool *blamed;     /* value id -> what it is made of is too coarse */
  const char **why; /* node id */
  bool any;
} judge;

static const oq_node_plan *plan_of(const judge *j, oq_node_id n) {
  return &j->at->placement.nodes[n.i];
}

static const oq_stats_entry *entry_of(const judge *j, oq_value_id v) {
  return oq_stats_find(j->stats, j->at->keys[v.i]);
}

static bool is_linear(const judge *j, oq_node_id n) {
  return oq_class_of(j->g, n) == OQ_Q_LINEAR;
}

static void refuse(judge *j, oq_node_id n, const char *why) {
  j->why[n.i] = why;
  j->any = true;
}

/* ---- noise of a value -------------------------------------------------- */
/* What rounding adds.  Of ranges that the user gave nothing is known better. */
static double rounding(const judge *j, oq_value_id v) {
  const oq_value_plan *plan = &j->at->placement.values[v.i];

  if (!plan->quantized) return 0;
  const oq_group_params *p = &j->at->params[plan->group];
  if (strcmp(p->method, "override") == 0) return 0;
  return (double)p->q.scale * (double)p->q.scale / 12;
}

/* Noise of v as node n reads it. */
static double noise_read(const judge *j, oq_node_id n, oq_value_id v) {
  const bool integers = plan_of(j, n)->fate == OQ_FATE_INTEGER ||
                        j->at->placement.values[v.i].all_uses;

  return j->before[v.i] + (integers ? rounding(j, v) : 0);
}

static bool reads_data(const judge *j, oq_node_id n, uint32_t slot) {
  const oq_node *node = oq_graph_node(j->g, n);

  return oq_value_ok(node->in[slot]) &&
         oq_input_role(j->g, n, slot) == OQ_ROLE_DATA &&
         !oq_value_is_const(j->g, node->in[slot]);
}

static uint32_t data_inputs(const judge *j, oq_node_id n) {
  const oq_node *node = oq_graph_node(j->g, n);
  uint32_t k = 0;

  for (uint32_t i = 0; i < node->n_in; i++) k += reads_data(j, n, i);
  return k;
}

/* What noise of input `slot` does to the result of a node that is no layer: as
 * much as to the values themselves.  A sum of several inputs may vary more than
 * each of them, and passes noise on as it is. */
static double passed_on(const judge *j, oq_node_id n, uint32_t slot,
                        uint32_t of, oq_value_id result) {
  const oq_node *node = oq_graph_node(j->g, n);
  const oq_value_id v = node->in[slot];
  const oq_node_plan *plan = plan_of(j, n);
  const double from = j->variance[v.i], to = j->variance[result.i];
  double gain = from > 0 ? to / from : 0;

  if (of > 1) gain = fmin(gain, 1);
  if (plan->rule && plan->rule->copies) gain = 1.0 / of;
  return noise_read(j, n, v) * gain;
}

static void pass_on(const judge *j, oq_node_id n) {
  const oq_node *node = oq_graph_node(j->g, n);
  const uint32_t of = data_inputs(j, n);

  for (uint32_t k = 0; k < node->n_out; k++) {
    if (!oq_value_ok(node->out[k])) continue;
    for (uint32_t i = 0; i < node->n_in; i++)
      if (reads_data(j, n, i))
        j->before[node->out[k].i] += passed_on(j, n, i, of, node->out[k]);
  }
}

/* ---- what a layer bears ------------------------------------------------ */
static int ascending(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;

  return (x > y) - (x < y);
}

/* Variance of channel i; 0: it does not vary, or by so little or among such
 * large values that the sums do not show it. */
static double channel_variance(const oq_channels *c, uint32_t i) {
  double mean, square;

  if (!oq_channels_mean(&mean, &square, c, i)) return 0;
  if (!(square > 0x1p-40 && square < 0x1p35)) return 0;
  const double variance = square - mean * mean;
  return variance > 1e-9 * square ? variance : 0;
}

/* Noise of the data that would reach the variance of half of the output
 * channels: the median of variance over energy; INFINITY: not known. */
static double median_bearing(const oq_channels *c, double *energy, size_t n) {
  size_t known = 0;

  for (uint32_t i = 0; i < n; i++) {
    const double variance = channel_variance(c, i);

    if (variance > 0 && energy[i] > 0) energy[known++] = variance / energy[i];
  }
  if (known == 0) return INFINITY;
  qsort(energy, known, sizeof *energy, ascending);
  return energy[known / 2];
}

/* Largest noise that the data of layer n may have. */
static oq_status bearable(const judge *j, double *out, oq_node_id n) {
  const oq_node *node = oq_graph_node(j->g, n);
  const oq_const *w = node->n_in > 1 ? oq_graph_const(j->g, node->in[1]) : NULL;
  const oq_stats_entry *e = entry_of(j, node->out[0]);
  oq_ctensor t;

  *out = INFINITY;
  if (!w || !e || e->channels.axis < 0 || e->channels.n == 0) return OQ_OK;
  if (oq_const_view(&t, w, j->env->scratch, NULL) != OQ_OK ||
      t.dtype != OQ_DT_F32 || t.shape.rank < 2)
    return OQ_OK;
  const int32_t axis = oq_weight_axis(j->g, n, t.shape.rank);
  if (axis < 0 || t.shape.dim[axis] != (int64_t)e->channels.n) return OQ_OK;

  double *energy = OQ_NEW_N(j->env->scratch, double, e->channels.n);
  if (!energy) return oq_fail_memory(j->env->diags);
  oq_weight_energy(energy, &t, axis);
  *out = MOST_NOISE * median_bearing(&e->channels, energy, e->channels.n);
  return OQ_OK;
}

/* ---- judging ------------------------------------------------------------ */
/* The layer that has to put out v, or what clamps and a bias make v of, as
 * integers. */
static oq_node_id maker(const judge *j, oq_value_id v) {
  const oq_node_id none = {OQ_NONE};

  for (;;) {
    const oq_value *value = oq_graph_value(j->g, v);
    if (value->kind != OQ_VALUE_RESULT) return none;
    const oq_node_plan *plan = plan_of(j, value->producer);

    if (plan->fate == OQ_FATE_INTEGER)
      return is_linear(j, value->producer) &&
                     plan->rule->output == OQ_OUT_QUANTIZED
                 ? value->producer
                 : none;
    if (plan->fate != OQ_FATE_ABSORBED) return none;
    v = oq_graph_node(j->g, value->producer)->in[0];
  }
}

/* Looks for the cause of too much noise in v. */
static void blame(judge *j, oq_value_id v, double total) {
  const oq_node_id n = maker(j, v);

  if (oq_node_ok(n) && rounding(j, v) >= WORTH * total)
    refuse(j, n, result_too_coarse);
  if (j->before[v.i] >= WORTH * total) j->blamed[v.i] = true;
}

static oq_status judge_layer(judge *j, oq_node_id n) {
  const oq_value_id v = oq_graph_node(j->g, n)->in[0];
  const oq_mark mark = oq_arena_mark(j->env->scratch);
  const double total = noise_read(j, n, v);
  double most, rest = total;

  if (!(total > 0)) return OQ_OK;
  const oq_status s = bearable(j, &most, n);
  oq_arena_rewind(j->env->scratch, mark);
  if (s != OQ_OK || total <= most) return s;
  if (plan_of(j, n)->fate == OQ_FATE_INTEGER) {
    refuse(j, n, data_too_coarse);
    rest = j->before[v.i] + (oq_node_ok(maker(j, v)) ? rounding(j, v) : 0);
  }
  if (rest > most) blame(j, v, rest);
  return OQ_OK;
}

/* From the results of node n to its inputs. */
static void blame_inputs(judge *j, oq_node_id n) {
  const oq_node *node = oq_graph_node(j->g, n);
  const uint32_t of = data_inputs(j, n);

  for (uint32_t k = 0; k < node->n_out; k++) {
    const oq_value_id out = node->out[k];

    if (!oq_value_ok(out) || !j->blamed[out.i]) continue;
    for (uint32_t i = 0; i < node->n_in; i++)
      if (reads_data(j, n, i) &&
          passed_on(j, n, i, of, out) >= WORTH * j->before[out.i])
        blame(j, node->in[i], noise_read(j, n, node->in[i]));
  }
}

static oq_status tables(judge *j, oq_arena *a) {
  j->before = OQ_NEW_N(a, double, j->g->n_values);
  j->variance = OQ_NEW_N(a, double, j->g->n_values);
  j->blamed = OQ_NEW_N(a, bool, j->g->n_values);
  j->why = OQ_NEW_N(a, const char *, j->g->n_nodes);
  if (!j->before || !j->variance || !j->blamed || !j->why)
    return oq_fail_memory(j->env->diags);
  for (uint32_t v = 0; v < j->g->n_values; v++) {
    const oq_stats_entry *e =
        j->at->keys[v] ? entry_of(j, (oq_value_id){v}) : NULL;
    double mean, std;

    if (!e || !oq_record_usable(&e->record)) continue;
    oq_record_moments(&e->record, &mean, &std);
    j->variance[v] = std * std;
  }
  return OQ_OK;
}

oq_status oq_noise_judge(const char *const **refused, bool *any,
                         const oq_placed *at, const oq_stats_core *stats,
                         oq_arena *a, const oq_env *e) {
  judge j = {.at = at, .g = at->graph, .stats = stats, .env = e};
  const oq_node_id *order;
  uint32_t n;

  OQ_TRY(tables(&j, a));
  OQ_TRY(oq_walk_order(&order, &n, j.g, a, e->diags));
  for (uint32_t i = 0; i < n; i++) {
    if (!oq_graph_node(j.g, order[i])->def) continue;
    if (is_linear(&j, order[i]))
      OQ_TRY(judge_layer(&j, order[i]));
    else
      pass_on(&j, order[i]);
  }
  for (uint32_t i = n; i-- > 0;)
    if (!is_linear(&j, order[i])) blame_inputs(&j, order[i]);
  *refused = j.why;
  *any = j.any;
  return OQ_OK;
}
