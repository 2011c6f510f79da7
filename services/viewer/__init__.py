"""The viewer service: DICOMweb, slide tiles, volumes and pictures, always through the grants."""
