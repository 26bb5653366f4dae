# task: table
# class: untrained weights
# right: the trained network is saved
