"""What is there only for speed; every module here has a plain twin that it is tested against."""
