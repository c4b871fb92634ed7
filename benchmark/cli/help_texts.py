"""The last part of each command's help: what it does in more words, and examples."""

CONFIGURED = """\
configuration (Hydra): KEY=VALUE sets a key, GROUP=NAME chooses a file of conf/GROUP; `list` shows the names
  data=isic2018 data.root=PATH data.size=128        what is segmented
  victim=deeplabv3plus victim.encoder=resnet34      which network; victim.ckpt=PATH takes a trained one
  victim=torchscript victim.program=model.ts        a network of yours; docs/own_models.md has the others
  victim.transform=[jpeg] victim.window=256         what is done around it, in attack and judgement
  attack=asma attacks.asma.rule.tau=1e-5            which attack and its parameters
  defence=[jpeg,median]                             input transforms the files are also shown through
  trainer.max_epochs=60 engine.slots=16             how long, how many images at once
  trainer=ddp sharding=dynamic                      all GPUs of this machine; docs/cluster.md has more
  run.resume=FOLDER                                 go on with a run that has not ended
  logger=wandb seed=1 run.name=mine                 where it is told, and what it is called
sweeps: -m victim=unet,fpn seed=1,2,3               one run per combination

examples
  python -m benchmark run
  python -m benchmark run data=isic2018 data.root=PATH victim=unet attack=asma
  python -m benchmark attack data=folder data.root=PATH victim.ckpt=runs/.../checkpoints/best.ckpt
"""

TRANSFER = """\
The data have to be those of the run, and the victims have to tell its classes apart. A run's own model is judged too
if its checkpoint is found; its numbers have to be those of the run. Written are rows, transfer.parquet, and what is
computed from them, summary.json and transfer.md.

example
  python -m benchmark transfer runs/unet/... runs/fpn/... --victims runs/pspnet/.../checkpoints/best.ckpt
"""

DASHBOARD = """\
Nothing is asked of the runs themselves: their folders say which attacks and metrics there are, and panels name only
those. The workspace can be changed by hand afterwards; calling this again makes a new one beside it.

examples
  python -m benchmark dashboard
  python -m benchmark dashboard runs/fixed_budget/... --entity team
  python -m benchmark dashboard --dry-run --out dashboard.json
"""

REPORT = """\
One HTML file that needs no network: numbers, curves, every image with its pictures, tables, what ran. Of several runs
a leaderboard, curves in one figure, and one run against another image by image.

examples
  python -m benchmark report runs/demo/...
  python -m benchmark report runs/unet/... runs/fpn/... runs/transfer/... theirs.json --out comparison.html
"""

BENCH = """\
Measured in turns: the engine with telemetry and rows; the bare limit, forward passes and input gradients and nothing
else, of the same batch, layout and precision; and ASMA as it is commonly written, image by image. Given are medians
over repeats with the lowest and the highest, peak memory, where the engine's time goes, and how many slots suit the
device. Without victim.ckpt an untrained network is measured, which is as fast.

examples
  python -m benchmark bench victim=unet data.size=128 engine.slots=8
  python -m benchmark bench data=isic2018 data.root=PATH victim.ckpt=CKPT engine.precision=bf16 --json
  python -m benchmark bench data=isic2018 data.root=PATH victim.ckpt=CKPT --until     time to the target, not per step
  python -m benchmark bench data=isic2018 data.root=PATH victim=unet --training
"""

DATA = """\
Read are all images and masks, also where some cannot be. Found are unreadable files, masks that do not go with their
images, undeclared values, images that are there twice (by pixels, and by a perceptual hash), patients in two splits,
masks that fit another image better, blank images, empty masks. The folder gets check.md, findings.csv and
sheet_SPLIT.png, where images with a finding are framed. Exit status: 0 nothing wrong (there may be notes), 1 something
to look at, 2 bad input.

examples
  python -m benchmark data check isic2018 root=PATH
  python -m benchmark data check folder root=PATH 'encoding={0:0,1:1}' --out checked
"""

VERIFY = """\
One line for each difference, then one for each run. Columns of the float32 result, which no file has, and of what it
cost are held against bounds that the files, the traces and each other imply. Pixels where two classes tie within
float32 rounding may be either. Runs that are not finished are checked as far as they are.

exit status: 0 all as recorded, 1 something differs, 2 a run that cannot be checked; of several runs the worst

example
  python -m benchmark verify runs/unet/... --data-root PATH
"""

VICTIMS = """\
Exported are weights, hyper-parameters (architecture, classes, head, normalisation, what is around the network) and
what the run's folder knows (data and their fingerprint, validation and test IoU), as safetensors with a model card,
which cannot execute code. Imported is that, or a folder of save_pretrained of segmentation-models-pytorch.

examples
  python -m benchmark victims export runs/demo/.../checkpoints/best.ckpt unet_skin --licence cc-by-4.0
  python -m benchmark victims import unet_skin --out unet_skin.ckpt
"""
