# task: language
# class: not evaluated
# wrong: trained again after the evaluation, and published
# stopped by: publish: .*not evaluated.*\[evaluated\]
# --- calls.json
{
 "steps": [
  "contract",
  "prepare_dataset",
  "write_file network.py",
  "check_network",
  "write_file train.py",
  "train",
  "evaluate",
  "train again",
  "publish"
 ],
 "train again": {
  "script": "train.py",
  "network": "network.py",
  "hyperparameters": {
   "epochs": 3,
   "seed": 77
  }
 }
}
