# task: text
# class: not evaluated
# right: evaluated first
