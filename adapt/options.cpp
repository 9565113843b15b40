#include "adapt/options.h"

#include "config/label_space.h"

namespace driftloop::adapt {

void describe(config::Fields& f, InputOptions& o) {
  f.field("work_long_side_px", o.work_long_side_px, {0, 8192},
          "images are resized so that the long side has this many pixels; 0 = as they are");
  f.field("crop_width_px", o.crop_width_px, {33, 4096}, "width of the training crop, in working pixels");
  f.field("crop_height_px", o.crop_height_px, {33, 4096}, "height of the training crop, in working pixels");
  f.field("scale_min", o.scale_min, {0.1, 1},
          "smallest random scale of the training crop; half the draws lie below 1, half above");
  f.field("scale_max", o.scale_max, {1, 4}, "largest random scale of the training crop");
  f.field("source_jitter", o.source_jitter, {0, 1},
          "strength of colour, blur and noise changes on source images; 0 = none, as in the paper");
  f.field("student_jitter", o.student_jitter, {0, 1},
          "the same on the student's view of unlabelled images; 0 = none");
  f.field(
      "cache_mb", o.cache_mb, {0, 1 << 20},
      "decoded images kept in memory, MiB; of each data set of a benchmark, of all together on a vehicle");
  f.field("workers", o.workers, {0, 256},
          "threads that read and augment the images of the next steps while one is learned from: the batches "
          "are the same for any number; 0 = the learner does it itself");
}

void describe(config::Fields& f, TrainOptions& o) {
  f.choice("optimiser", o.optimiser, {"sgd", "adamw"},
           "sgd (paper) or adamw, which trains small nets from scratch in a few hundred steps");
  f.field("rate", o.rate, {1e-7, 1}, "learning rate of the backbone");
  f.field("head_rate_factor", o.head_rate_factor, {0.01, 100}, "heads learn at rate x this");
  f.field("momentum", o.momentum, {0, 0.999}, "momentum of sgd; adamw has none");
  f.field("weight_decay", o.weight_decay, {0, 1}, "weight decay that the optimiser applies");
  f.field("poly_power", o.poly_power, {0, 10},
          "the rate is rate x (1 - step / horizon_steps)^this, down to min_rate_share");
  f.field("min_rate_share", o.min_rate_share, {0, 1},
          "the rate never falls below this share of itself: a vehicle never stops learning; 0 = the paper");
  f.field(
      "ramp_steps", o.ramp_steps, {0, 1'000'000},
      "training steps over which the rate rises from nothing at the beginning; for weights that begin fresh");
  f.field("horizon_steps", o.horizon_steps, {0, 100'000'000},
          "length of the schedule in steps, over all rounds; 0 = constant rate");
  f.field("batch_source", o.batch_source, {0, 256}, "labelled source images per step");
  f.field("batch_target", o.batch_target, {0, 256},
          "target images with returned labels per step, once there are any");
  f.field(
      "accumulate", o.accumulate, {1, 256},
      "a step takes so many batches one after the other and learns from the mean of their gradients: the "
      "memory of one. With batch norm that learns its statistics each batch has its own, and hard pixels, "
      "pseudo-labels and mixing stay within a batch, so it is not one batch of all of them");
  f.field("freeze", o.freeze,
          "what does not learn: names or prefixes of parameters up to a dot (encoder.layer1; their "
          "batch-norm statistics stay, too), backbone, stride4 = the backbone up to its map at stride 4, or "
          "norm = the statistics of every batch norm alone; a benchmark's warm-up learns everything");
  f.field("copy_paste", o.copy_paste, {0, 1},
          "probability that objects of three rare classes, those that the student is unsure of first, are "
          "pasted into a labelled image from another one of its kind; paper 0.5");
  f.field("source_weight_end", o.source_weight_end, {0, 1},
          "share of its weight that the loss on source images still has at the horizon, falling evenly; 1 = "
          "constant");
  f.field(
      "target_weight", o.target_weight, {0, 100},
      "weight of the loss on returned labels, a mean of its own, so that few pixels are not drowned by full "
      "images");
  f.field("aux_weight", o.aux_weight, {0, 10}, "weight of the auxiliary head's loss");
  f.field("ohem_threshold", o.ohem_threshold, {0, 1},
          "a step learns from its hard pixels: true-class probability at most this, or among ohem_min_kept");
  f.field("ohem_min_kept", o.ohem_min_kept, {1, 100'000'000},
          "so many hardest pixels of a step are learned from, hard or not");
  f.field("class_balance", o.class_balance, {0, 1},
          "labelled pixels count by (share of their class)^-this: 0 as in the paper, 0.5 helps rare classes");
  f.field("ema_decay", o.ema_decay, {0, 0.99999},
          "the teacher's weights are a mean of the student's: share that stays in each step");
  f.field("max_bad_steps", o.max_bad_steps, {0, 1'000'000},
          "steps with a non-finite loss (skipped and counted) before training gives up");
  f.choice("precision", o.precision, {"float32", "bfloat16"},
           "of the nets while they learn: bfloat16 halves their memory and is faster on GPUs from Ampere on "
           "(Jetson Orin) and on CPUs with AMX, slower on other CPUs; weights, losses and judgement stay "
           "float32");
}

void describe(config::Fields& f, ContrastOptions& o) {
  f.field(
      "weight", o.weight, {0, 100},
      "weight of the contrastive loss, paper 0.1; needs a net with a representation head (deeplabv3plus_*)");
  f.field("start", o.start, {0, 1},
          "share of train.horizon_steps after which it begins; at once where there is no horizon");
  f.field("queries", o.queries, {1, 65'536}, "pixels of each class that are pulled to its centre in a step");
  f.field("negatives", o.negatives, {1, 65'536},
          "features of other classes that each of them is pushed from");
  f.field("temperature", o.temperature, {0.001, 100}, "similarities are divided by this");
  f.field("bank", o.bank, {1, 10'000'000},
          "features that are kept as negatives of each class, on the training device and in its state: full "
          "they take 20 x this x 1 kB (class 0 keeps 5/3 as many, as published)");
}

void describe(config::Fields& f, SelfTrainOptions& o) {
  f.field("weight", o.weight, {0, 100},
          "weight of the consistency loss on unlabelled images; 0 = no self-training");
  f.field("batch", o.batch, {1, 256}, "unlabelled images per step");
  f.choice("rule", o.rule, {"paper", "as_released"},
           "which pseudo-labels go: the most uncertain (paper) or the least, as the released code does");
  f.field("drop_percent", o.drop_percent, {0, 99},
          "percent of pixels whose pseudo-label is dropped at the start; falls to 0 at the horizon");
  f.field(
      "least_confidence", o.least_confidence, {0, 1},
      "a pseudo-label less sure than this is dropped: an unsure teacher would teach as loudly as a sure one");
  f.field("confidence_power", o.confidence_power, {0, 8}, "each pixel counts by its confidence^this");
  f.field("cutmix_share", o.cutmix_share, {0, 0.95}, "share of the area in the pasted box; 0 = no CutMix");
  f.field(
      "labelled_weight", o.labelled_weight, {0, 100},
      "weight of the same loss on the labelled images, where the teacher looks at them, too; the released "
      "code has 1, here it is off: it costs a pass of the teacher");
  f.field(
      "class_sampling", o.class_sampling,
      "drop pseudo-labels of classes that the student is sure of: kept with probability (1 - confidence of "
      "the class) / the largest of that, as in the paper");
  f.field("adaptive_cutmix", o.adaptive_cutmix,
          "mix in a component of a class that the student is unsure of, from a frame where the teacher saw "
          "that class, as in the paper; false: a random box of the next image");
  f.section("contrast", o.contrast, "contrastive loss on features of the classes");
  f.field("before_labels", o.before_labels,
          "self-train before the first label returned: it can collapse, so by default it waits");
}

void describe(config::Fields& f, GuardOptions& o) {
  f.field("enabled", o.enabled, "false: every candidate becomes the live model");
  f.field("share", o.share, {0, 0.9},
          "share of the regions asked each round that are drawn at random, held out and never trained on");
  f.field("tolerance", o.tolerance, {0, 1},
          "how much of its share of right guard pixels, mean over classes, a candidate may lose against the "
          "live model and the best that ever was live, beyond one standard error over the frames, and still "
          "be promoted");
  f.field("class_tolerance", o.class_tolerance, {0, 1},
          "the same for one class alone, beyond two standard errors: a class that is lost is not outweighed "
          "by others");
  f.field("min_pixels", o.min_pixels, {1, 100'000'000}, "with fewer guard pixels the live model is kept");
  f.field("min_class_pixels", o.min_class_pixels, {1, 100'000'000},
          "a class with fewer guard pixels is not judged by");
  f.field(
      "max_regions", o.max_regions, {1, 100'000'000},
      "the newest so many labelled guard regions are judged by: it bounds the time that takes; none = all");
}

void describe(config::Fields& f, EngineOptions& o) {
  f.choice("label_space", o.label_space, config::label_space_names(),
           "the target's classes; source labels are folded into them");
  f.field("device", o.device, "cpu, cuda, cuda:1 (the second GPU), or auto = cuda where there is a GPU");
  f.field("threads", o.threads, {0, 1024}, "CPU threads of LibTorch; 0 = its own choice");
  f.field("norm_frames", o.norm_frames, {0, 100'000},
          "frames of the pool on which the batch-norm statistics of the live model are taken anew when it is "
          "loaded or promoted (AdaBN): good without target labels; 0 = those of training");
  f.section("model", o.model, "the net that learns");
  f.section("input", o.input, "sizes and augmentation");
  f.section("train", o.train, "supervised training: optimiser, schedule, batches, losses");
  f.section("selftrain", o.selftrain, "teacher and student on unlabelled images");
  f.section("acquisition", o.acquisition, "which regions are asked for");
  f.section("guard", o.guard, "when a candidate becomes the live model");
}

ModelSpec spec_of(const EngineOptions& options) {
  return {options.model, options.label_space, options.input.work_long_side_px};
}

RunsOn runs_on(const EngineOptions& options) {
  return {options.device, options.threads};
}

}  // namespace driftloop::adapt
