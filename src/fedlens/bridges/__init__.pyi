from .strategy import FlowerStrategy as FlowerStrategy
