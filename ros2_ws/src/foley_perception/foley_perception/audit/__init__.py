"""What can be wrong with a recording, each rule once; for bags, data sets, the recorder and live nodes."""
