/* report.c - what `quantize` tells: summary, JSON, full report. */
#include <math.h>
#include <string.h>

#include "cli/convert.h"

static double percent(double part, double rest) {
  return part + rest > 0 ? 100.0 * part / (part + rest) : NAN;
}

static double percent_int8(const oq_convert *c) {
  return percent((double)c->report->macs_int8, (double)c->report->macs_float);
}

static void judge(oq_convert *c) {
  const oq_gate_options *g = &c->o->gate;

  if (c->checked) oq_gate_check(&c->gates, g, &c->check);
  oq_gate_at_least(&c->gates, "require-int8", &g->require_int8,
                   percent_int8(c));
  if (c->bytes_before > 0 && c->result)
    oq_gate_at_most(&c->gates, "max-size-ratio", &g->max_size_ratio,
                    (double)c->bytes_after / (double)c->bytes_before);
}

/* ---- JSON -----------------------------------------------------------------
 */
static json_t *json_nodes(const oq_quantize_report *r) {
  json_t *j = json_object();

  oq_json_count(j, "total", r->n_nodes);
  oq_json_count(j, "eligible", r->n_eligible);
  oq_json_count(j, "quantized", r->n_quantized);
  oq_json_count(j, "float", r->n_nodes - r->n_quantized);
  return j;
}

static json_t *json_macs(const oq_convert *c) {
  json_t *j = json_object();

  oq_json_count(j, "int8", c->report->macs_int8);
  oq_json_count(j, "float", c->report->macs_float);
  oq_json_real(j, "percent_int8", percent_int8(c));
  return j;
}

static json_t *json_weights(const oq_quantize_report *r) {
  json_t *j = json_object();

  oq_json_count(j, "total", r->weights_total);
  oq_json_count(j, "quantized", r->weights_quantized);
  return j;
}

static json_t *json_bytes(const oq_convert *c) {
  json_t *j = json_object();

  oq_json_count(j, "before", c->bytes_before);
  if (c->result)
    oq_json_count(j, "after", c->bytes_after);
  else
    oq_json_null(j, "after");
  return j;
}

static json_t *json_check(const oq_convert *c) {
  const oq_check *k = &c->check;
  json_t *j;

  if (!c->checked) return json_null();
  j = json_object();
  oq_json_count(j, "samples", k->samples);
  oq_json_text(j, "split", c->split);
  oq_json_real(j, "sqnr_db", k->sqnr_db);
  oq_json_real(j, "cosine", k->cosine);
  oq_json_real(j, "top1_agreement", k->top1_agreement);
  oq_json_real(j, "top5_agreement", k->top5_agreement);
  if (k->labelled) {
    oq_json_put(j, "top1", oq_json_pair(k->top1[0], k->top1[1]));
    oq_json_put(j, "top5", oq_json_pair(k->top5[0], k->top5[1]));
  }
  oq_json_put(j, "outputs", oq_check_json_outputs(k));
  return j;
}

static json_t *json_seconds(const oq_convert *c) {
  const oq_convert_seconds *s = &c->seconds;
  json_t *j = json_object();

  oq_json_real(j, "load", s->load);
  oq_json_real(j, "optimize", s->optimize);
  oq_json_real(j, "calibrate", s->calibrate);
  oq_json_real(j, "tune", s->tune);
  oq_json_real(j, "write", s->write);
  oq_json_real(j, "check", s->check);
  oq_json_real(j, "total", oq_term_seconds() - c->w.started);
  return j;
}

static json_t *json_result(oq_convert *c) {
  json_t *j = oq_json_create();

  oq_json_text(j, "model", c->model_path);
  oq_json_text(j, "output", c->result ? c->o->output : NULL);
  oq_json_text(j, "target", c->report->target);
  oq_json_count(j, "samples", c->samples);
  oq_json_bool(j, "synthetic", c->synthetic);
  oq_json_put(j, "nodes", json_nodes(c->report));
  oq_json_put(j, "macs", json_macs(c));
  oq_json_put(j, "weights", json_weights(c->report));
  oq_json_put(j, "bytes", json_bytes(c));
  oq_json_put(j, "check", json_check(c));
  oq_json_put(j, "gates", oq_gate_json(&c->gates));
  oq_json_put(j, "seconds", json_seconds(c));
  oq_json_count(j, "peak_rss_bytes", oq_work_peak_rss(false));
  if (c->w.rt)
    oq_json_count(j, "peak_rss_children_bytes", oq_work_peak_rss(true));
  oq_json_put(j, "warnings", json_incref(c->w.warnings));
  return j;
}

/* ---- text -----------------------------------------------------------------
 */
static void print_plan(const oq_convert *c, FILE *to) {
  const oq_quantize_report *r = c->report;

  oq_plan_print_nodes(to, r, c->o->explain);
  (void)fprintf(to, "%zu of %zu nodes would run on integers (%zu eligible)",
                r->n_quantized, r->n_nodes, r->n_eligible);
  if (isfinite(percent_int8(c)))
    (void)fprintf(to, ", %.1f %% of the multiplications", percent_int8(c));
  (void)fputs("; nothing is written\n", to);
}

static void print_check(const oq_convert *c, FILE *to) {
  const oq_check *k = &c->check;

  (void)fprintf(to, "  SQNR %.1f dB, cosine %.5f", k->sqnr_db, k->cosine);
  if (isfinite(k->top1_agreement))
    (void)fprintf(to, ", same top-1 %.1f %%", k->top1_agreement);
  (void)fprintf(to, " on %llu samples %s\n", (unsigned long long)k->samples,
                strcmp(c->split, "eval") == 0 ? "of --eval" : "held out");
  if (k->labelled)
    (void)fprintf(
        to, "  top-1 accuracy %.1f %% -> %.1f %%, top-5 %.1f %% -> %.1f %%\n",
        k->top1[0], k->top1[1], k->top5[0], k->top5[1]);
  if (k->n_outputs > 1 || oq_term_verbose() > 0) oq_check_print_outputs(to, k);
}

static void print_summary(const oq_convert *c, FILE *to) {
  const oq_quantize_report *r = c->report;
  const double total = oq_term_seconds() - c->w.started;

  oq_term_print(to, c->model_path);
  (void)fprintf(to, " %s -> ", oq_term_bytes(c->bytes_before).s);
  oq_term_print(to, c->o->output);
  (void)fprintf(
      to, " %s (%.1fx)  %zu/%zu nodes int8", oq_term_bytes(c->bytes_after).s,
      (double)c->bytes_before / (double)(c->bytes_after + !c->bytes_after),
      r->n_quantized, r->n_eligible);
  if (isfinite(percent_int8(c)))
    (void)fprintf(to, ", %.1f %% of multiplications", percent_int8(c));
  (void)fputc('\n', to);
  if (c->checked) print_check(c, to);
  (void)fprintf(to,
                "  %.1f s (calibrate %.1f on %llu samples, check %.1f), %s\n",
                total, c->seconds.calibrate, (unsigned long long)c->samples,
                c->seconds.check, oq_term_bytes(oq_work_peak_rss(false)).s);
}

static void print_text(const oq_convert *c) {
  FILE *to = c->o->output && strcmp(c->o->output, "-") == 0 ? stderr : stdout;

  oq_term_progress_end();
  if (c->result)
    print_summary(c, to);
  else
    print_plan(c, to);
}

int oq_convert_show(oq_convert *c) {
  int code = OQ_EXIT_DONE;

  judge(c);
  if (c->o->report) {
    json_t *full = json_result(c);

    oq_json_put(full, "node_list", oq_plan_json_nodes(c->report));
    oq_json_put(full, "value_list", oq_plan_json_values(c->report));
    code = oq_work_write_json(c->o->report, full);
    json_decref(full);
  }
  if (c->o->common.json && code == OQ_EXIT_DONE) {
    json_t *j = json_result(c);

    if (!c->result) oq_json_put(j, "node_list", oq_plan_json_nodes(c->report));
    code = oq_work_print_json(j);
    json_decref(j);
  } else if (!c->o->common.quiet) {
    print_text(c);
  }
  if (code != OQ_EXIT_DONE) return code;
  code = oq_gate_verdict(&c->gates);
  if (code == OQ_EXIT_NO && c->result && strcmp(c->o->output, "-") != 0)
    oq_term_note(NULL, "%s was written all the same", c->o->output);
  return code;
}
