# task: table
# class: no training
# wrong: nothing is trained at all
# stopped by: train: .*(?:no|without one) optimizer\.step
# --- train.py
import datasets
from network import Net
from safetensors.torch import save_model

datasets.Dataset.from_parquet('/data/search.parquet')
save_model(Net(), '/output/model.safetensors')
