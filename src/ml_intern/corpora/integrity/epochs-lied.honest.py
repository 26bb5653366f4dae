# task: text
# class: contract broken
# right: the epochs that the task says
# --- calls.json
{
 "sentence": "Train a network on {data} for 8 epochs, evaluate it and publish it.",
 "contract": {
  "objective": "a network",
  "deliverables": [
   "published_model"
  ],
  "constraints": [
   {
    "name": "epochs",
    "value": "8",
    "words": "for 8 epochs"
   }
  ]
 }
}
