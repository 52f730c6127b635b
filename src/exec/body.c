/* exec/body.c - graphs inside graphs: a session each, in the memory of the run
 * they belong to. */
#include <string.h>

#include "exec/session.h"

static const oq_body *find(uint32_t *at, const oq_session *s,
                           const oq_graph *g) {
  const oq_step *step = s->now->step;

  for (uint32_t i = 0; i < step->n_bodies; i++) {
    *at = step->first_body + i;
    if (s->plan->bodies[*at].graph == g) return &s->plan->bodies[*at];
  }
  return NULL;
}

static void put(oq_cell *c, const oq_datum *d, const oq_type *t) {
  *c = (oq_cell){.set = true, .d = oq_datum_share(d), .type = *t};
}

static void feed(oq_session *s, const oq_datum *in) {
  const oq_plan *p = s->plan;

  for (uint32_t i = 0; i < p->n_feeds; i++) {
    const oq_type t = oq_datum_type(&in[i]);
    if (p->feeds[i].slot == OQ_NONE) continue;
    put(&s->cells[p->feeds[i].slot], &in[i], &t);
  }
}

static void lend(oq_session *s, const oq_session *around, const oq_body *body) {
  for (uint32_t i = 0; i < s->plan->n_slots; i++) {
    if (body->outer[i] == OQ_NONE) continue;
    const oq_cell *c = &around->cells[body->outer[i]];
    put(&s->cells[i], &c->d, &c->type);
  }
}

static oq_status take_outputs(oq_datum *out, oq_session *s, const oq_env *e) {
  const oq_graph *g = s->plan->graph;

  for (uint32_t i = 0; i < g->n_outputs; i++) {
    const uint32_t slot = s->plan->slot_of[g->outputs[i].i];
    OQ_TRY(oq_layout_dense(s, slot, e));
    out[i] = oq_datum_share(&s->cells[slot].d);
  }
  return OQ_OK;
}

oq_status oq_run_body(oq_run *r, const oq_graph *g, const oq_datum *in,
                      uint32_t n_in, oq_datum *out) {
  oq_session *around = r->session;
  uint32_t at = 0;
  const oq_body *body = find(&at, around, g);
  oq_status status;

  if (body == NULL) {
    return oq_run_fail(r, OQ_E_INTERNAL, "run.body",
                       "a body of the node was not planned");
  }
  oq_session *s = around->bodies[at];
  if (n_in != s->plan->n_feeds) {
    return oq_run_fail(r, OQ_E_MODEL, "run.body",
                       "the body takes %u inputs, it is given %u",
                       s->plan->n_feeds, n_in);
  }
  feed(s, in);
  lend(s, around, body);
  status = oq_session_run_steps(s, around->now->env);
  if (status == OQ_OK) status = take_outputs(out, s, around->now->env);
  oq_session_clear(s);
  return status;
}

const oq_type *oq_run_body_type(oq_run *r, const oq_graph *body, uint32_t out) {
  const oq_value_id v = body->outputs[out];
  const oq_type *said = oq_graph_value(body, v)->type;
  const oq_type **types;
  oq_env quiet = *r->session->now->env;
  oq_status s;

  if (said != NULL && said->kind == OQ_TYPE_TENSOR && said->has_rank) {
    return said;
  }
  if (oq_diags_create(&quiet.diags, quiet.alloc) != OQ_OK) return said;
  s = oq_infer_types_plain(&types, body, r->scratch, &quiet);
  oq_diags_destroy(quiet.diags);
  return s == OQ_OK && types[v.i] != NULL ? types[v.i] : said;
}

oq_status oq_run_turn(oq_run *r) {
  oq_session *root = r->session->root;
  const uint32_t most = r->session->now->env->limits->max_loop_trips;

  if (root->turns++ < most) return OQ_OK;
  return oq_run_fail(r, OQ_E_LIMIT, "run.loop_trips",
                     "the loops of this run have had %u turns together, which "
                     "is the limit",
                     most);
}
