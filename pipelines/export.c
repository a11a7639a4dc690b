/* simclr-export: writes an encoder as an ONNX model, for ONNX Runtime, onnxinference and others.
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *   simclr-export [--output=projection] [--size=PIXELS] ENCODER.safetensors ENCODER.onnx
 *
 * The model takes any number of pictures at once, (batch, 3, size, size) floats in [0, 1], and gives
 * (batch, embedding size). Beside it stands ENCODER.onnx.modelinfo, which GStreamer 1.28's elements read. */
#include <simclr/simclr.h>

#include <stdlib.h>

static gboolean
parse_output (const gchar *nick, SimclrOutput *output)
{
  g_autoptr (GEnumClass) klass = g_type_class_ref (SIMCLR_TYPE_OUTPUT);
  const GEnumValue *value = nick ? g_enum_get_value_by_nick (klass, nick) : NULL;

  *output = value ? (SimclrOutput) value->value : SIMCLR_OUTPUT_REPRESENTATION;
  return nick == NULL || value != NULL;
}

static gboolean export(
    const gchar *from, const gchar *to, SimclrOutput output, guint size, GError **error)
{
  g_autoptr (SimclrWeights) loaded = simclr_weights_load (from, error);
  g_autoptr (SimclrWeights) weights =
      loaded ? simclr_weights_adapt (loaded, size, SIMCLR_NORMALIZATION_AUTO, error) : NULL;

  if (!weights || !simclr_weights_export_onnx (weights, to, output, error))
    return FALSE;
  size = simclr_weights_get_input_size (weights);
  g_print ("%s: input (batch, 3, %u, %u) in [0, 1], embedding (batch, %u)\n", to, size, size,
      simclr_weights_get_embedding_size (weights, output));
  return TRUE;
}

int
main (int argc, char **argv)
{
  g_autofree gchar *nick = NULL;
  gint size = 0;
  const GOptionEntry entries[] = {
      {"output", 0, 0, G_OPTION_ARG_STRING, &nick,
          "representation (the default), or projection, of unit length", "WHICH"},
      {"size", 0, 0, G_OPTION_ARG_INT, &size,
          "Height and width of the model's pictures (default: as the encoder was trained)",
          "PIXELS"},
      {NULL},
  };
  g_autoptr (GOptionContext) options = g_option_context_new ("ENCODER.safetensors ENCODER.onnx");
  g_autoptr (GError) error = NULL;
  SimclrOutput output;

  g_option_context_set_summary (options,
      "Writes an encoder as an ONNX model that takes any number of pictures at once, (batch, 3, "
      "size, size) floats in [0, 1], and beside it the .modelinfo that GStreamer 1.28's elements "
      "read.");
  g_option_context_add_main_entries (options, entries, NULL);
  if (!g_option_context_parse (options, &argc, &argv, &error)) {
    g_printerr ("%s\n", error->message);
    return EXIT_FAILURE;
  }
  if (argc != 3 || size < 0 || !parse_output (nick, &output)) {
    g_printerr ("%s needs an encoder's file and the name of the model; --output is representation "
                "or projection; see --help\n",
        g_get_prgname ());
    return EXIT_FAILURE;
  }
  if (!export(argv[1], argv[2], output, (guint) size, &error)) {
    g_printerr ("%s\n", error->message);
    return EXIT_FAILURE;
  }
  return EXIT_SUCCESS;
}
