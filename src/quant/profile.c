/* profile.c - the list of targets. */
#include <string.h>

#include "quant/quant.h"

extern const oq_profile oq_profile_ort_cpu;

static const oq_profile *const profiles[] = {&oq_profile_ort_cpu};

const oq_profile *const *oq_profiles(uint32_t *n) {
  *n = sizeof profiles / sizeof profiles[0];
  return profiles;
}

const oq_profile *oq_profile_find(const char *name) {
  for (size_t i = 0; i < sizeof profiles / sizeof profiles[0]; i++)
    if (strcmp(profiles[i]->name, name) == 0) return profiles[i];
  return NULL;
}

const oq_profile_rule *oq_profile_rule_find(const oq_profile *p,
                                            const char *domain,
                                            const char *op) {
  for (uint32_t i = 0; i < p->n_rules; i++)
    if (strcmp(p->rules[i].op, op) == 0 &&
        strcmp(p->rules[i].domain, domain) == 0)
      return &p->rules[i];
  return NULL;
}

const oq_profile_clamp *oq_profile_clamp_find(const oq_profile *p,
                                              const char *domain,
                                              const char *op) {
  for (uint32_t i = 0; i < p->n_clamps; i++)
    if (strcmp(p->clamps[i].op, op) == 0 &&
        strcmp(p->clamps[i].domain, domain) == 0)
      return &p->clamps[i];
  return NULL;
}

const char *oq_profile_reason(const oq_profile *p, const char *op) {
  for (const char *const(*r)[2] = p->reasons; r && (*r)[0]; r++)
    if (strcmp((*r)[0], op) == 0) return (*r)[1];
  return NULL;
}
