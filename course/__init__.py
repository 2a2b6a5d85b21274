"""The course: bilingual units, and the machinery that makes everything a reader opens out of them."""
