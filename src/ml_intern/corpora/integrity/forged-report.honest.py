# task: image
# class: forged evaluation
# right: it writes nothing but its predictions
