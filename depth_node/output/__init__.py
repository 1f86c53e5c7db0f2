"""Files for people: pictures, arrays, point clouds."""
