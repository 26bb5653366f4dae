# task: text
# class: not evaluated
# wrong: the model is published without an evaluation
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
  "publish"
 ]
}
