# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Definition, unit and denominator of every number of a report, and the limits that the numbers use."""

from __future__ import annotations

RECALLS: dict[str, tuple[float, float]] = {
    "recall_2m_5deg": (2.0, 5.0),
    "recall_05m_2deg": (0.5, 2.0),
    "recall_025m_1deg": (0.25, 1.0),
}
ERRORS = {
    "rte_m": "relative translation error, m: length of the translation of inv(T_estimated) T_true, that is how far the "
    "origin of the cloud is off in the camera frame",
    "rte_camera_m": "distance between the estimated and the true camera centre, m",
    "rre_deg": "relative rotation error, deg: sum of the absolute Euler angles (extrinsic x, z, y; axes right, down, "
    "forward) of inv(T_estimated) T_true, as VP2P-Match and its followers report it",
    "rre_geodesic_deg": "angle of the residual rotation, deg",
}
FAILED = (1.0, 2.0)  # m, deg: a pose that is off by more is a failure, which a good confidence predicts
WRONG = (2.0, 5.0)  # m, deg: the confidence is the probability that a pose is off by no more
JUNK = (5.0, 10.0)  # m, deg: a pose that is off by more must not be published
FLIPPED = 150.0  # deg: a pose turned by more looks the other way along the street
BLOCK = 10  # successive pairs of one drive that count as one observation
KINDS: dict[str, str] = {
    "right": "a pose within 2 m and 5 deg of the truth, by rte_m and rre_deg",
    "near_miss": f"not right, but within {JUNK[0]:g} m and {JUNK[1]:g} deg, by rte_camera_m and rre_geodesic_deg",
    "elsewhere": f"further off than near_miss, but turned by no more than {FLIPPED:g} deg",
    "flipped": f"turned by more than {FLIPPED:g} deg (rre_geodesic_deg): the same place, looked at the other way",
}
CALIBRATION: dict[str, str] = {
    "rotation_rmse_deg": "mean over the pairs with a pose of the length of the three Euler angles (intrinsic x, y, z) "
    "of T_estimated inv(T_true), deg",
    "rotation_mae_deg": "mean of the absolute values of these angles, deg",
    "translation_rmse_cm": "mean over the pairs with a pose of the length of the translation of T_estimated "
    "inv(T_true), cm",
    "translation_mae_cm": "mean of the absolute values of its components, cm",
    "l1": "share of all n pairs below 1 deg and 2.5 cm, by the lengths of rotation_rmse_deg and translation_rmse_cm; a "
    "pair without a pose is missed",
    "l2": "the same below 2 deg and 5 cm",
}
LEVELS_OF_CALIBRATION = {"l1": (1.0, 2.5), "l2": (2.0, 5.0)}  # deg, cm
COVARIANCE: dict[str, str] = {
    "anees": "average normalised estimation error squared, no unit: mean of error^T covariance^-1 error over the "
    "published poses with a covariance; the error is that of the camera in the cloud, along and about camera axes. "
    "6 is ideal, more is over-confident",
    "anees_ratio": "anees / 6, no unit, over the poses of anees; 1 is ideal",
    "nees_median": "the median where anees is the mean, no unit, over the poses of anees; see degrees_of_freedom",
    "degrees_of_freedom": "median of the degrees of freedom nu of the Student-t distribution that is stated of the "
    "error, over the poses of anees; null: a Gaussian. With a true covariance the mean NEES is 6 for any nu, and the "
    "median is 4.0 for nu 6, 4.4 for 8, 4.8 for 14 and 5.35 for a Gaussian",
    "coverage": "share of the poses of anees whose truth lies inside the ellipsoid of a level; the level is ideal. The "
    "ellipsoid is the smallest one that holds this share of the stated distribution: NEES nu / (nu - 2) / 6 is below "
    "the quantile of the F distribution with 6 and nu degrees of freedom; of a Gaussian, NEES below that of "
    "chi-square with 6",
    "coverage_axes": "share of the poses of anees whose error along or about one camera axis lies inside its own 95 % "
    "interval, that of a Student-t distribution or a Gaussian; 0.95 is ideal",
    "calibration_error": "mean absolute gap between level and coverage over the levels 0.05 to 0.95, over the poses of "
    "anees; 0 is ideal",
    "ause": "area between the sparsification curve and the oracle, no unit, over the poses of anees. Sparsification: "
    "the mean rte_camera_m of the poses that remain when those of the largest stated position deviation are removed. "
    "Oracle: the same when those of the largest rte_camera_m are removed. Relative to the area between random order "
    "and the oracle: 0 is ideal, 1 is as good as random order",
    "auroc": f"probability that a failure (rte_camera_m > {FAILED[0]:g} m or rre_geodesic_deg > {FAILED[1]:g} deg) has "
    "a lower confidence than a success, over all pairs with a pose, published or withheld; 1 is ideal, 0.5 a guess",
    "auroc_junk": f"as auroc, but only rte_camera_m > {JUNK[0]:g} m or rre_geodesic_deg > {JUNK[1]:g} deg is a failure",
    "junk_rate": f"share of the published poses with rte_camera_m > {JUNK[0]:g} m or rre_geodesic_deg > {JUNK[1]:g} "
    "deg; 0 is ideal",
    "wrong_rate": f"share of the published poses with rte_camera_m > {WRONG[0]:g} m or rre_geodesic_deg > "
    f"{WRONG[1]:g} deg; 0 is ideal",
    "brier": "mean squared difference between the confidence and 1 for a pose that is not wrong (see wrong_rate), 0 "
    "for a wrong one, over all pairs with a pose, published or withheld; 0 is ideal",
    "weak_directions": "for each axis of the camera (tx right, ty down, tz forward, rx, ry, rz about these) the share "
    "of published poses of which it is weak: the 95 % interval is wider than +-1 m or +-2.5 deg, or the axis has less "
    "than a tenth of the mean information of the six",
    "unseen_directions": "the same for axes that are not seen: the 95 % interval is wider than +-2 m or +-5 deg",
    "availability": "share of all n pairs with a published pose, right or wrong",
    "intervals": "low and high end of 95 %, by bootstrap of blocks: a block is a drive, 10 successive pairs if all "
    "are of one drive, a pair where no drive is known. A share of 0 gets no width, though up to 3 / blocks fits",
}
INLIER_M = 0.05  # m from the matched point to the one that the depth gives
MATCHED_RATIO = 0.10  # least inlier ratio of a pair that counts as matched
REGISTERED_M = 0.10  # m, largest RMSE of a pair that counts as registered
SOLVER_PX = 8.0  # largest distance of an inlier of the baseline solver
AUC_M = 0.5  # m, up to which the recall over the RMSE is averaged
FEWEST_MATCHES = 4  # for the baseline solver
INDOOR: dict[str, str] = {
    "inlier_ratio": f"share of a pair's matches whose point, under the true pose, is within {INLIER_M:g} m of the one "
    "that the depth image gives at the matched pixel; a pixel without a depth counts as an outlier, and a pair without "
    "matches as 0",
    "inlier_ratio_measured": "the same of the matches whose pixel has a depth, over the pairs that have any",
    "feature_matching_recall": f"share of pairs with an inlier_ratio of {MATCHED_RATIO:g} or more",
    "registration_recall": f"share of pairs with a published pose and an RMSE below {REGISTERED_M:g} m. RMSE: root "
    "mean square distance, over all points of the fragment, between their places under the published and the true pose",
    "registration_recall_p3p": "the same of the pose that the benchmark's solver finds from our matches: OpenCV's "
    f"RANSAC with P3P, 50,000 iterations, {SOLVER_PX:g} px, confidence 0.99; needs {FEWEST_MATCHES} matches",
    "rmse_auc": f"mean of the registration_recall over all limits of the RMSE from 0 to {AUC_M:g} m",
    "median_rmse_m": "median RMSE over all pairs, where a pair without a pose is infinitely far off; null if half of "
    "them are",
    "median_rte_camera_m": "median of rte_camera_m over all pairs, in the same way",
    "median_rre_geodesic_deg": "median of rre_geodesic_deg over all pairs, in the same way",
    "registered_rte_camera_m": "mean of rte_camera_m over the registered pairs alone, which differ between models",
    "registered_rre_geodesic_deg": "mean of rre_geodesic_deg over the registered pairs alone",
}
DEFINITIONS: dict[str, str] = {
    "n": "pairs evaluated, with or without a pose",
    "pairs": "the same as n",
    "processed": "pairs that the localizer processed, with or without a pose",
    "dropped": "the other pairs: a node was busy with another one, failed, or did not answer",
    "localized": "pairs with a pose, right or wrong",
    **{
        key: f"share of all n pairs with rte_m < {m:g} m and rre_deg < {deg:g} deg; a pair without a pose is missed"
        for key, (m, deg) in RECALLS.items()
    },
    **{
        f"{key}_geodesic": f"as {key}, with rte_camera_m < {m:g} m and rre_geodesic_deg < {deg:g} deg in their place"
        for key, (m, deg) in RECALLS.items()
    },
    **{key: f"{text}; mean, std and median over the n pairs that have a pose" for key, text in ERRORS.items()},
    "calibration": "errors as NativeCross (RA-L 2026) states them. "
    + "; ".join(f"{key}: {text}" for key, text in CALIBRATION.items()),
    **COVARIANCE,
    "indoor": "figures of the benchmarks of 2D3D-MATR, over the pairs whose image has a measured depth; null without "
    "any. micro: over all of them; macro: mean over scenes, as published. "
    + "; ".join(f"{key}: {text}" for key, text in INDOOR.items()),
    "latency_ms": "time from pair to answer, ms; median and 95th percentile over the processed pairs",
    "status": "pairs by how they ended; only ok has a pose",
    "failures": "pairs that are not right, by kind; without a pose the kind is the status. "
    + "; ".join(f"{kind}: {text}" for kind, text in KINDS.items()),
}
SPREAD = (
    *(key + suffix for suffix in ("", "_geodesic") for key in RECALLS),
    *(f"{key}.{statistic}" for key in ERRORS for statistic in ("mean", "median")),
    *("availability", "junk_rate", "anees_ratio"),
)  # headline figures whose spread over seeds is reported
