"""What training and evaluation share: samples, truth, augmentation, the loop, corrections."""
