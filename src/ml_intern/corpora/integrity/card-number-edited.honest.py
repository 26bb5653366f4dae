# task: table
# class: edited publication
# right: the publication as it was made
# verify: yes
