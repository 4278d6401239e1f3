"""The orders in which the review page lists glomeruli, by the name that the command line takes."""

ORDERS = {
    "worth": "most worth looking at",
    "informative": "teaches most, all slides",
    "place": "place",
    "size": "size",
    "probability": "spike probability",
}
USUAL = "worth"
