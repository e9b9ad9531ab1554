"""Project files carried out: what there is and what is missing, starting it, agreeing to it, writing one."""
