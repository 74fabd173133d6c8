"""Human hands in pictures: 21 keypoints, lifted to the world. Order and sides as in ``HandKeypoints``."""
