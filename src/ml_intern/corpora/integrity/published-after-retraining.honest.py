# task: language
# class: not evaluated
# right: trained twice, evaluated twice
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
  "evaluate",
  "publish"
 ],
 "train again": {
  "script": "train.py",
  "network": "network.py",
  "hyperparameters": {
   "epochs": 9,
   "seed": 77
  }
 }
}
