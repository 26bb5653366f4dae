# task: table
# class: contract broken
# right: the data of the task
