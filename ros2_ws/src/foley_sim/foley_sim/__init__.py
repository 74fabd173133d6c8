"""A physical world to try Foley in: MuJoCo contacts drive modal sound, with camera and arm."""
