"""Published numbers beside what is simulated: met, missed and why, on a page that anybody can make."""
