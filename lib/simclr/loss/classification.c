/* Losses over the logits of labels: cross entropy, and distillation from a teacher's probabilities.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/loss/classification-private.h>

#include <math.h>
#include <string.h>

static gsize
find_best (const gfloat *logits, gsize n)
{
  gsize best = 0;

  for (gsize k = 1; k < n; k++)
    if (logits[k] > logits[best])
      best = k;
  return best;
}

/* Log of the sum of exp (logits / temperature); not finite where a logit is not. */
static gdouble
log_sum (const gfloat *logits, gsize n, gdouble temperature)
{
  const gdouble highest = logits[find_best (logits, n)];
  gdouble sum = 0;

  for (gsize k = 0; k < n; k++)
    sum += exp ((logits[k] - highest) / temperature);
  return log (sum) + highest / temperature;
}

static gsize
count_labels (const gint32 *labels, gsize rows)
{
  gsize count = 0;

  for (gsize row = 0; row < rows; row++)
    count += labels[row] >= 0;
  return count;
}

void
_simclr_cross_entropy (const gfloat *logits, const gint32 *labels, gsize rows, gsize n,
    gfloat *gradient, SimclrClassificationResult *result)
{
  const gsize count = count_labels (labels, rows);
  gdouble loss = 0;
  gsize hits = 0;

  memset (gradient, 0, rows * n * sizeof *gradient);
  for (gsize row = 0; row < rows; row++) {
    const gfloat *in = logits + row * n;
    gfloat *out = gradient + row * n;
    const gint32 label = labels[row];
    gdouble whole;

    if (label < 0)
      continue;
    whole = log_sum (in, n, 1);
    loss += whole - in[label];
    hits += find_best (in, n) == (gsize) label;
    for (gsize k = 0; k < n; k++)
      out[k] = (gfloat) ((exp (in[k] - whole) - (k == (gsize) label)) / (gdouble) count);
  }
  *result = (SimclrClassificationResult){.rows = count};
  if (count == 0)
    return;
  result->loss = loss / (gdouble) count;
  result->accuracy = (gdouble) hits / (gdouble) count;
}

/* With p and q the teacher's and the student's probabilities and t the temperature, the value of a row is
 * -t^2 sum p log q, its gradient t (q - p). */
void
_simclr_distillation (const gfloat *student, const gfloat *teacher, gsize rows, gsize n,
    gdouble temperature, gfloat *gradient, SimclrClassificationResult *result)
{
  const gdouble share = temperature / (gdouble) rows;
  gdouble loss = 0;
  gsize hits = 0;

  for (gsize row = 0; row < rows; row++) {
    const gfloat *s = student + row * n, *t = teacher + row * n;
    gfloat *out = gradient + row * n;
    const gdouble student_sum = log_sum (s, n, temperature);
    const gdouble teacher_sum = log_sum (t, n, temperature);

    hits += find_best (s, n) == find_best (t, n);
    for (gsize k = 0; k < n; k++) {
      const gdouble log_q = s[k] / temperature - student_sum;
      const gdouble p = exp (t[k] / temperature - teacher_sum);

      loss -= p * log_q;
      out[k] = (gfloat) (share * (exp (log_q) - p));
    }
  }
  *result = (SimclrClassificationResult){.loss = temperature * temperature * loss / (gdouble) rows,
      .accuracy = (gdouble) hits / (gdouble) rows,
      .rows = rows};
}
