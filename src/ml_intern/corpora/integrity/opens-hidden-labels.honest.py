# task: language
# class: labels in predict
# right: predict opens no file
